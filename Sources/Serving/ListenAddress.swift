import Glibc

/// The address of a listening socket: one IP address or all of them, and a port.
package struct ListenAddress: Sendable, Equatable, CustomStringConvertible {
    enum Host: Sendable, Equatable {
        /// All IPv6 and IPv4 addresses of the machine.
        case any
        case v4(String)
        case v6(String)
    }

    let host: Host
    /// The port, or 0 for any free port.
    package let port: UInt16

    /// Parses `:8080`, `127.0.0.1:8080` and `[::1]:8080`. Host names are not resolved.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let port = UInt16(digits)
        else { return nil }
        let host = text[..<colon]
        // inet_pton(3) reads up to a NUL, so that it would accept an address with anything after one.
        guard !host.utf8.contains(0) else { return nil }
        if host.isEmpty {
            self.host = .any
        } else if host.hasPrefix("["), host.hasSuffix("]") {
            let address = String(host.dropFirst().dropLast())
            var parsed = in6_addr()
            guard inet_pton(AF_INET6, address, &parsed) == 1 else { return nil }
            self.host = .v6(address)
        } else {
            var parsed = in_addr()
            guard inet_pton(AF_INET, String(host), &parsed) == 1 else { return nil }
            self.host = .v4(String(host))
        }
        self.port = port
    }

    package var description: String {
        switch host {
        case .any: ":\(port)"
        case .v4(let address): "\(address):\(port)"
        case .v6(let address): "[\(address)]:\(port)"
        }
    }
}

extension ListenAddress {
    /// Returns the descriptor of a listening socket.
    func listen() throws(ListenError) -> Int32 {
        switch host {
        case .v4(let address): return try listenV4(address)
        case .v6(let address): return try listenV6(address, v6Only: true)
        case .any:
            do {
                return try listenV6("::", v6Only: false)
            } catch  where error.code == .addressNotAvailable {
                // The kernel has no IPv6.
                return try listenV4("0.0.0.0")
            }
        }
    }

    private func listenV4(_ host: String) throws(ListenError) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        inet_pton(AF_INET, host, &address.sin_addr)
        return try listen(AF_INET, &address)
    }

    private func listenV6(_ host: String, v6Only: Bool) throws(ListenError) -> Int32 {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        inet_pton(AF_INET6, host, &address.sin6_addr)
        return try listen(AF_INET6, &address) {
            setOption($0, Int32(IPPROTO_IPV6), IPV6_V6ONLY, v6Only ? 1 : 0)
        }
    }

    private func listen<Address>(
        _ family: Int32, _ address: inout Address, _ prepare: (Int32) -> Void = { _ in }
    ) throws(ListenError) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(family, kind, 0)
        guard descriptor >= 0 else { throw ListenError(errno, self) }
        // Lets a restarted process listen while old connections to the port are in TIME_WAIT.
        setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        // Connections inherit these sizes: the kernel's buffers count against the container's memory too, and clients
        // may read slowly or send without end.
        setOption(descriptor, SOL_SOCKET, SO_SNDBUF, 32 * 1024)
        setOption(descriptor, SOL_SOCKET, SO_RCVBUF, 16 * 1024)
        prepare(descriptor)
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard bound == 0, Glibc.listen(descriptor, 1024) == 0 else {
            let code = errno
            close(descriptor)
            throw ListenError(code, self)
        }
        return descriptor
    }

    private func setOption(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}

/// Returns the port of a listening socket, or 0 if the kernel does not report it.
func boundPort(_ descriptor: Int32) -> UInt16 {
    var address = sockaddr_in6()
    var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
    let known = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
    }
    // The port has the same offset in both address families.
    return known == 0 ? UInt16(bigEndian: address.sin6_port) : 0
}

/// The reason why a process cannot listen on an address.
package struct ListenError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable {
        case portInUse, addressNotAvailable, permissionDenied, other
    }

    package let code: Code
    package let description: String

    init(_ number: Int32, _ address: ListenAddress) {
        switch number {
        case EADDRINUSE:
            code = .portInUse
            description = "port \(address.port) is in use by another program; choose another port"
        case EADDRNOTAVAIL, EAFNOSUPPORT:
            code = .addressNotAvailable
            description =
                "this machine has no such address; choose one of its addresses, or give only :port to listen on all"
        case EACCES:
            code = .permissionDenied
            description = "this process may not listen on port \(address.port); choose 1024 or higher"
        default:
            code = .other
            description = String(cString: strerror(number))
        }
    }
}
