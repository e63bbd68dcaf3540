/// Which requests of the unary lane may go to libcurl now and which wait: a pure state machine, one queue
/// per origin.
///
/// libcurl has a queue of its own (CURLOPT_PIPEWAIT, CURLMOPT_MAX_HOST_CONNECTIONS), but in 7.88 a request
/// that is woken in vain swallows the wake-up of the next, and the queue stalls until some timer fires;
/// later versions have other troubles there. So libcurl never gets a request that it would have to queue.
struct RequestScheduler<ID: Hashable> {
    enum Version {
        case unknown, http1, http2
    }

    struct Limits {
        /// HTTP/1.1, and until the first answer tells.
        var connections: Int
        /// HTTP/2. RFC 9113 asks servers to allow 100.
        var streams = 100
    }

    private struct Origin {
        var version: Version
        /// Some connection has been usable since requests began to flow.
        var isConnected = false
        /// Given to libcurl and not ended; true: its connection is ready.
        var active: [ID: Bool] = [:]
        var waiting: [ID] = []
        /// Of `waiting`; what comes before has gone.
        var first = 0

        var queued: ArraySlice<ID> { waiting[first...] }
        var isConnecting: Bool { !isConnected && !active.isEmpty && active.values.contains(false) }

        /// Streams beyond those allowed over HTTP/1.1: one for each request that went well. All at once,
        /// they would open a connection each where the server turns out to allow few.
        var growth = 0

        func limit(_ limits: Limits) -> Int {
            version == .http2 ? min(limits.connections + growth, limits.streams) : limits.connections
        }
    }

    private let limits: Limits
    private var origins: [String: Origin] = [:]
    /// Those with waiting requests that may have room.
    private var candidates: Set<String> = []

    init(_ limits: Limits) {
        self.limits = limits
    }

    mutating func enqueue(_ id: ID, _ origin: String) {
        let version: Version = origin.hasPrefix("http:") ? .http1 : .unknown
        origins[origin, default: Origin(version: version)].waiting.append(id)
        candidates.insert(origin)
    }

    /// Those that may start, in their order of arrival. Until a connection stands, one request per origin
    /// goes ahead to make it.
    mutating func dequeueReady() -> [ID] {
        var admitted: [ID] = []
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
                admitted.append(id)
            }
            if origin.first == origin.waiting.count {
                origin.waiting.removeAll(keepingCapacity: true)
                origin.first = 0
            }
            origins[name] = origin
        }
        candidates.removeAll(keepingCapacity: true)
        return admitted
    }

    /// The connection that `id` uses is ready.
    mutating func connectionReady(_ id: ID, _ origin: String) {
        origins[origin]?.isConnected = true
        origins[origin]?.active[id] = true
        candidates.insert(origin)
    }

    mutating func negotiated(_ origin: String, _ version: Version) {
        guard origins[origin]?.version != version else { return }
        origins[origin]?.version = version
        candidates.insert(origin)
    }

    /// A request given to libcurl is over, or one that waits is given up. `isConnectionLost`: it failed for
    /// a reason that the next one on its connection would meet too. Returns those that waited for the
    /// connection that could not be made: they share its fate, in place of trying one after another.
    mutating func finished(_ id: ID, _ name: String, isConnectionLost: Bool) -> [ID] {
        guard var origin = origins.removeValue(forKey: name) else { return [] }
        var followers: [ID] = []
        if let hadConnection = origin.active.removeValue(forKey: id) {
            if isConnectionLost {
                if !hadConnection, !origin.isConnected {
                    followers = Array(origin.queued)
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
        // The server may close an idle connection: the next request finds out alone.
        if origin.active.isEmpty { origin.isConnected = false }
        origins[name] = origin
        candidates.insert(name)
        return followers
    }
}
