/// Decides which requests of the unary pool libcurl gets now and which wait. A pure state machine with one FIFO queue for
/// each origin.
///
/// libcurl has a queue of its own (CURLOPT_PIPEWAIT, CURLMOPT_MAX_HOST_CONNECTIONS), but in 7.88 a request that is woken
/// in vain swallows the wake-up of the next one, and the queue stalls until some timer fires. Later versions have other
/// defects in that code. This scheduler therefore never gives libcurl a request that libcurl would have to queue.
struct RequestScheduler<ID: Hashable> {
    enum Version {
        case unknown, http1, http2
    }

    struct Limits {
        /// Concurrent requests over HTTP/1.1, and until the first response shows the version.
        var connections: Int
        /// Concurrent requests over HTTP/2. RFC 9113 recommends that servers allow at least 100.
        var streams = 100
    }

    private struct Origin {
        var version: Version
        /// True after a connection became usable, until it fails or no request is active.
        var isConnected = false
        /// The requests that libcurl works on. The value is true once the request's connection is ready.
        var active: [ID: Bool] = [:]
        /// The queue begins at `first`; the elements before it have left.
        var waiting: [ID] = []
        var first = 0

        var queued: ArraySlice<ID> { waiting[first...] }
        var isConnecting: Bool { !isConnected && !active.isEmpty && active.values.contains(false) }

        /// Additional HTTP/2 streams: one for each request that succeeded. If all requests started at once, each would
        /// open its own connection to a server that turns out to allow few streams.
        var growth = 0

        func limit(_ limits: Limits) -> Int {
            version == .http2 ? min(limits.connections + growth, limits.streams) : limits.connections
        }
    }

    private let limits: Limits
    private var origins: [String: Origin] = [:]
    /// Origins whose queue may have become ready since the last `dequeueReady`.
    private var candidates: Set<String> = []

    init(_ limits: Limits) {
        self.limits = limits
    }

    mutating func enqueue(_ id: ID, _ origin: String) {
        let version: Version = origin.hasPrefix("http:") ? .http1 : .unknown
        origins[origin, default: Origin(version: version)].waiting.append(id)
        candidates.insert(origin)
    }

    /// Removes the requests that may start now from their queues. Until an origin has a connection, only one of its
    /// requests starts, which opens the connection.
    ///
    /// - Returns: the requests, those of one origin in the order of arrival.
    mutating func dequeueReady() -> [ID] {
        var ready: [ID] = []
        for name in candidates {
            guard var origin = origins[name] else { continue }
            origins[name] = nil
            let limit = origin.limit(limits)
            while origin.first < origin.waiting.count, origin.active.count < limit,
                origin.version == .http1 || !origin.isConnecting
            {
                let id = origin.waiting[origin.first]
                origin.first += 1
                origin.active[id] = origin.isConnected
                ready.append(id)
            }
            if origin.first == origin.waiting.count {
                origin.waiting.removeAll(keepingCapacity: true)
                origin.first = 0
            }
            origins[name] = origin
        }
        candidates.removeAll(keepingCapacity: true)
        return ready
    }

    mutating func connectionReady(_ id: ID, _ origin: String) {
        origins[origin]?.isConnected = true
        origins[origin]?.active[id] = true
        candidates.insert(origin)
    }

    /// Records the version that a response from `origin` has.
    mutating func negotiated(_ origin: String, _ version: Version) {
        guard origins[origin]?.version != version else { return }
        origins[origin]?.version = version
        candidates.insert(origin)
    }

    /// Removes a request that has ended, or that was cancelled while it waited.
    ///
    /// - Parameter isConnectionLost: the request failed for a reason that the next one on its connection would meet too.
    /// - Returns: the requests that waited for a connection that could not be opened. They fail with the same error
    ///   instead of trying one after another.
    mutating func finished(_ id: ID, _ name: String, isConnectionLost: Bool) -> [ID] {
        guard var origin = origins.removeValue(forKey: name) else { return [] }
        var dependents: [ID] = []
        if let hadConnection = origin.active.removeValue(forKey: id) {
            if isConnectionLost {
                if !hadConnection, !origin.isConnected {
                    dependents = Array(origin.queued)
                    origin.waiting = []
                    origin.first = 0
                }
                origin.isConnected = false
            } else if hadConnection {
                origin.growth = min(origin.growth + 1, limits.streams)
            }
        } else if let index = origin.queued.firstIndex(of: id) {
            origin.waiting.remove(at: index)
        }
        // The server may close an idle connection, so the next request starts alone.
        if origin.active.isEmpty { origin.isConnected = false }
        origins[name] = origin
        candidates.insert(name)
        return dependents
    }
}
