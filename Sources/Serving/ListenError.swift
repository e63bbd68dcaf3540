import Glibc

/// Why nothing listens.
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
            description = "port \(address.port) is taken by another program; choose another one"
        case EADDRNOTAVAIL, EAFNOSUPPORT:
            code = .addressNotAvailable
            description = "this machine has no such address"
        case EACCES:
            code = .permissionDenied
            description = "this process may not listen on port \(address.port); choose one from 1024 on"
        default:
            code = .other
            description = String(cString: strerror(number))
        }
    }
}
