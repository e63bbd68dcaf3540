import Glibc

/// Where to listen: an IP address, or all of them, and a port.
package struct ListenAddress: Sendable, Equatable, CustomStringConvertible {
    enum Host: Sendable, Equatable {
        /// Every address of the machine, IPv6 and IPv4.
        case any
        case v4(String)
        case v6(String)
    }

    let host: Host
    /// 0: one that is free.
    package let port: UInt16

    /// `:8080`, `127.0.0.1:8080`, `[::1]:8080`. nil: none of them. Names are not looked up.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let port = UInt16(digits)
        else { return nil }
        let host = text[..<colon]
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
    /// A socket that listens here.
    func listen() throws(ListenError) -> Int32 {
        switch host {
        case .v4(let address): return try listenV4(address)
        case .v6(let address): return try listenV6(address, only: true)
        case .any:
            do {
                return try listenV6("::", only: false)
            } catch  where error.code == .addressNotAvailable {
                // A kernel without IPv6.
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

    private func listenV6(_ host: String, only: Bool) throws(ListenError) -> Int32 {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        inet_pton(AF_INET6, host, &address.sin6_addr)
        return try listen(AF_INET6, &address) {
            setOption($0, Int32(IPPROTO_IPV6), IPV6_V6ONLY, only ? 1 : 0)
        }
    }

    private func listen<Address>(
        _ family: Int32, _ address: inout Address, _ prepare: (Int32) -> Void = { _ in }
    ) throws(ListenError) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(family, kind, 0)
        guard descriptor >= 0 else { throw ListenError(errno, self) }
        // The port of a process that ended a moment ago is free.
        setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        // Connections inherit these: what the kernel keeps for a client that does not read, or sends without end,
        // counts against the container's memory too.
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

/// The port that a listening socket has.
func boundPort(_ descriptor: Int32) -> UInt16 {
    var address = sockaddr_in6()
    var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
    let known = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
    }
    // The port is in the same place for both families.
    return known == 0 ? UInt16(bigEndian: address.sin6_port) : 0
}
