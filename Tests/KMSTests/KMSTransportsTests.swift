import HTTP
import Testing

@testable import KMS

struct KMSTransportsTests {
    private func identity(_ transport: any HTTPTransport) -> ObjectIdentifier? {
        (transport as? ReloadingTransport).map { ObjectIdentifier($0) }
    }

    @Test func equalSettingsShareATransport() throws {
        let transports = SharedTransports()
        let first = try transports.transport(ConnectionSettings(), TLSSettings())
        let second = try transports.transport(ConnectionSettings(), TLSSettings())
        #expect(identity(first) == identity(second))
    }

    @Test func otherSettingsOfTLSNeedAnotherTransport() throws {
        let transports = SharedTransports()
        let first = try transports.transport(ConnectionSettings(), TLSSettings())
        let second = try transports.transport(ConnectionSettings(), TLSSettings(serverName: "vault.test"))
        #expect(identity(first) != identity(second))
    }

    @Test func transportsThatNothingUsesAreReleased() throws {
        let transports = SharedTransports()
        for index in 0..<100 {
            _ = try transports.transport(ConnectionSettings(), TLSSettings(serverName: "vault\(index).test"))
        }
        #expect(transports.count <= 8)
    }

    @Test func aTransportInUseStays() throws {
        let transports = SharedTransports()
        let used = try transports.transport(ConnectionSettings(), TLSSettings())
        for index in 0..<100 {
            _ = try transports.transport(ConnectionSettings(), TLSSettings(serverName: "vault\(index).test"))
        }
        #expect(identity(try transports.transport(ConnectionSettings(), TLSSettings())) == identity(used))
    }
}
