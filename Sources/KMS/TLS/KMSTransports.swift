import HTTP
import Settings
import System

/// Gives key managers the HTTP transports to their services. Safe to use from any thread.
protocol KMSTransports: Sendable {
    /// - Throws: `SettingError` if the files of the settings cannot be used now.
    func transport(
        _ connections: ConnectionSettings, _ tls: TLSSettings
    ) throws(SettingError) -> any HTTPTransport
}

/// The settings of connections that a backend chooses, besides TLS.
struct ConnectionSettings: Hashable, Sendable {
    var plainHTTP = HTTPClientConfiguration.PlainHTTP.loopbackOnly
    var connectTimeout = Duration.seconds(10)
    /// The number of requests in flight to a server that speaks HTTP/1.1.
    var maximumConnectionsPerHost = 4

    fileprivate var configuration: HTTPClientConfiguration {
        HTTPClientConfiguration(
            plainHTTP: plainHTTP, connectTimeout: connectTimeout,
            maximumConnectionsPerHost: maximumConnectionsPerHost)
    }
}

/// Gives each key manager connections of its own.
struct OwnTransports: KMSTransports {
    func transport(
        _ connections: ConnectionSettings, _ tls: TLSSettings
    ) throws(SettingError) -> any HTTPTransport {
        try ReloadingTransport(connections.configuration, tls)
    }
}

/// Gives key managers with equal settings the same transport: a thousand providers need one thread, one copy of the CAs, and
/// connections only to each different server. Credentials belong to requests and not to connections, so that none are shared.
final class SharedTransports: KMSTransports {
    private struct Key: Hashable {
        let connections: ConnectionSettings
        let tls: TLSSettings
    }

    private struct Entry {
        weak var transport: ReloadingTransport?
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        /// The transports that were last asked for, which stay although nothing uses them at the moment.
        var recent: [ReloadingTransport] = []
    }

    /// The tests of many providers that fail, one after another, find their transport in memory.
    private static let maximumRecent = 8
    /// Requests in flight to a server that speaks HTTP/1.1, for all its key managers together: one that waits for a slow key
    /// leaves room for the others.
    private static let connectionsPerHost = 64

    private let state = Locked(State())

    func transport(
        _ connections: ConnectionSettings, _ tls: TLSSettings
    ) throws(SettingError) -> any HTTPTransport {
        var connections = connections
        connections.maximumConnectionsPerHost = Self.connectionsPerHost
        let key = Key(connections: connections, tls: tls)
        return try state.withLock { state throws(SettingError) in
            let known = state.entries[key]?.transport
            let transport =
                if let known { known } else { try ReloadingTransport(connections.configuration, tls) }
            if known == nil {
                state.entries = state.entries.filter { $0.value.transport != nil }
                state.entries[key] = Entry(transport: transport)
            }
            state.recent.removeAll { $0 === transport }
            state.recent.append(transport)
            if state.recent.count > Self.maximumRecent { state.recent.removeFirst() }
            return transport
        }
    }

    /// The number of transports in memory.
    var count: Int { state.withLock { $0.entries.values.count { $0.transport != nil } } }
}
