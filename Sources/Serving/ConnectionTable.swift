import Glibc

/// The connections of a server, oldest first. It bounds memory and descriptors: if there are too many connections, it
/// decides which one is dropped.
struct ConnectionTable {
    private(set) var connections: [ClientConnection] = []
    /// The number of connections of each peer.
    private var counts: [PeerAddress: Int] = [:]
    private let limits: AdminServerLimits

    init(_ limits: AdminServerLimits) { self.limits = limits }

    var isEmpty: Bool { connections.isEmpty }

    /// Adds a connection, and serves it if its request has arrived. If the table is full, another connection is
    /// dropped.
    mutating func add(
        _ connection: ClientConnection, _ responses: ResponseCache, now: ContinuousClock.Instant
    ) {
        var connection = connection
        connection.advance(responses, now: now)
        connections.append(connection)
        counts[connection.peer, default: 0] += 1
        while connections.count > limits.maximumConnections { dropOldestOfBusiestPeer() }
    }

    /// Advances the connections that poll(2) found ready; `isReady` is indexed like `connections`.
    mutating func advance(
        where isReady: (Int) -> Bool, _ responses: ResponseCache, now: ContinuousClock.Instant
    ) {
        for index in connections.indices where isReady(index) {
            connections[index].advance(responses, now: now)
        }
    }

    /// Removes connections that are closed or past their deadline. If clients have not read too many bytes in total,
    /// also removes the oldest of those connections.
    mutating func removeFinished(now: ContinuousClock.Instant) {
        remove { $0.isClosed || $0.deadline < now }
        var unsent = connections.reduce(0) { $0 + $1.unsentCount }
        while unsent > limits.maximumUnsentBytes {
            let slow = connections.indices.filter { connections[$0].unsentCount > 0 }
            guard slow.count > 1 else { break }
            unsent -= connections[slow[0]].unsentCount
            drop(at: slow[0])
        }
    }

    /// Drops the oldest connection of the peer with the most connections, so that one client cannot displace the
    /// others.
    mutating func dropOldestOfBusiestPeer() {
        let most = counts.values.max()
        guard let index = connections.firstIndex(where: { counts[$0.peer] == most }) else { return }
        drop(at: index)
    }

    mutating func dropAll() { remove { _ in true } }

    private mutating func drop(at index: Int) {
        forget(connections.remove(at: index))
    }

    /// Closes a connection and no longer counts it. The caller removes it from `connections`.
    private mutating func forget(_ connection: ClientConnection) {
        close(connection.descriptor)
        counts[connection.peer, default: 0] -= 1
        if counts[connection.peer] == 0 { counts[connection.peer] = nil }
    }

    private mutating func remove(where isUnwanted: (ClientConnection) -> Bool) {
        for connection in connections where isUnwanted(connection) { forget(connection) }
        connections.removeAll(where: isUnwanted)
    }
}

/// The IP address of a client, without its port.
struct PeerAddress: Hashable {
    /// The halves of an IPv6 address in memory order; an IPv4 address is in `low`.
    private let high: UInt64
    private let low: UInt64

    init(high: UInt64 = 0, low: UInt64) {
        self.high = high
        self.low = low
    }

    init(_ address: sockaddr_storage) {
        self = withUnsafeBytes(of: address) { raw in
            // sockaddr_in and sockaddr_in6: the address follows the family, the port and, for IPv6, the flow label.
            switch Int32(address.ss_family) {
            case AF_INET: PeerAddress(low: UInt64(raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
            case AF_INET6:
                PeerAddress(
                    high: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                    low: raw.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
            default: PeerAddress(low: 0)
            }
        }
    }
}
