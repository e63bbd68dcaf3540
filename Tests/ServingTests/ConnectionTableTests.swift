import Glibc
import Testing

@testable import Serving

/// Connections over socket pairs, with a clock that the test sets.
@Suite struct ConnectionTableTests {
    private let start = ContinuousClock.now

    /// Returns the client's end.
    private func connect(
        _ table: inout ConnectionTable, from peer: UInt64, sending text: String = "",
        _ limits: AdminServerLimits,
        page: AdminResponse = AdminResponse("ok\n")
    ) throws -> TestClient {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        let client = TestClient(descriptor: ends[0])
        client.send(text)
        let connection = ClientConnection(ends[1], from: PeerAddress(low: peer), limits, now: start)
        table.add(connection, ResponseCache { _ in page }, now: start)
        return client
    }

    @Test func dropsTheOldestConnectionOfTheBusiestPeer() throws {
        var limits = AdminServerLimits()
        limits.maximumConnections = 3
        var table = ConnectionTable(limits)
        let probe = try connect(&table, from: 1, limits)
        let attackers = try (0..<5).map { _ in try connect(&table, from: 2, limits) }
        #expect(table.connections.count == 3)
        #expect(attackers[0].readResponse().isEmpty)
        probe.send("GET / HTTP/1.1\r\n\r\n")
        table.advance(where: { $0 == 0 }, ResponseCache { _ in AdminResponse("ok\n") }, now: start)
        table.dropAll()
        #expect(probe.readResponse().hasSuffix("ok\n"))
        for client in attackers.dropFirst() { close(client.descriptor) }
    }

    @Test func servesARequestThatArrivedWithTheConnection() throws {
        let limits = AdminServerLimits()
        var table = ConnectionTable(limits)
        let client = try connect(&table, from: 1, sending: "GET / HTTP/1.1\r\n\r\n", limits)
        #expect(table.connections.first?.deadline == start + limits.closeDeadline)
        table.dropAll()
        #expect(client.readResponse().hasSuffix("ok\n"))
    }

    @Test func boundsUnreadBytes() throws {
        var limits = AdminServerLimits()
        limits.maximumUnsentBytes = 3 << 20
        var table = ConnectionTable(limits)
        let page = AdminResponse(String(repeating: "x", count: 2 << 20))
        let clients = try (0..<6).map { _ in
            try connect(&table, from: 1, sending: "GET / HTTP/1.1\r\n\r\n", limits, page: page)
        }
        table.removeFinished(now: start)
        #expect(table.connections.count == 1)
        #expect(table.connections.map(\.unsentCount).reduce(0, +) <= limits.maximumUnsentBytes)
        table.dropAll()
        for client in clients { close(client.descriptor) }
    }

    @Test func dropsConnectionsPastTheirDeadline() throws {
        let limits = AdminServerLimits()
        var table = ConnectionTable(limits)
        let client = try connect(&table, from: 1, sending: "GET /", limits)
        table.removeFinished(now: start + limits.headDeadline)
        #expect(!table.isEmpty)
        table.removeFinished(now: start + limits.headDeadline + .milliseconds(1))
        #expect(table.isEmpty)
        #expect(client.readResponse().isEmpty)
    }
}
