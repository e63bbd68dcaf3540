import Glibc

/// Why nothing listens.
package struct ServingError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable {
        case portTaken, noSuchAddress, notPermitted, failed
    }

    package let code: Code
    package let description: String

    init(_ number: Int32, _ address: ListenAddress) {
        switch number {
        case EADDRINUSE:
            code = .portTaken
            description = "port \(address.port) is taken by another program; choose another one"
        case EADDRNOTAVAIL, EAFNOSUPPORT:
            code = .noSuchAddress
            description = "this machine has no such address"
        case EACCES:
            code = .notPermitted
            description = "this process may not listen on port \(address.port); choose one from 1024 on"
        default:
            code = .failed
            description = String(cString: strerror(number))
        }
    }
}
