/// Decides which requests of the unary pool libcurl gets now and which wait, and which versions of HTTP they offer. A pure
/// state machine with one FIFO queue for each origin.
///
/// libcurl has a queue of its own (CURLOPT_PIPEWAIT, CURLMOPT_MAX_HOST_CONNECTIONS), but in 7.88 a request that is woken
/// in vain swallows the wake-up of the next one, and the queue stalls until some timer fires. Later versions have other
/// defects in that code. This scheduler therefore never gives libcurl a request that libcurl would have to queue.
///
/// It also never has libcurl send a request that offers HTTP/2 over an HTTP/1.1 connection, except the first. Once an origin
/// has one HTTP/2 connection, libcurl puts such requests on HTTP/1.1 connections that are in use, as if they could multiplex,
/// and then takes the response to one request for that to another (https://github.com/curl/curl/issues/4885). What offers
/// HTTP/1.1 alone shares no connection.
struct RequestScheduler<ID: Hashable> {
    enum Version {
        case http1, http2
    }

    /// The versions of HTTP that a request offers the server.
    enum Offer {
        /// HTTP/2 and HTTP/1.1 over a new connection, because the version of the origin is not known. An idle connection
        /// would have the version that the origin had.
        case newConnection
        /// HTTP/2 and HTTP/1.1 over any connection.
        case http2
        /// HTTP/1.1 alone.
        case http1
    }

    struct Limits {
        /// Concurrent requests over HTTP/1.1, and until the first connection shows the version.
        var connections: Int
        /// Concurrent requests over HTTP/2. RFC 9113 recommends that servers allow at least 100.
        var streams = 100
        /// The number of requests over HTTP/1.1 after which an origin is offered HTTP/2 again, as soon as it has no other request.
        var http1Requests = 1_000
    }

    private struct Request {
        let offer: Offer
        /// True once the request's connection is ready.
        var isReady: Bool
    }

    private struct Origin {
        /// Nil until a connection shows it.
        var version: Version?
        /// The requests that ended over HTTP/1.1.
        var http1Count = 0
        /// True after a connection became usable, until it fails or no request is active.
        var isConnected = false
        /// The requests that libcurl works on.
        var active: [ID: Request] = [:]
        /// The queue begins at `first`; the elements before it have left.
        var waiting: [ID] = []
        var first = 0

        var queued: ArraySlice<ID> { waiting[first...] }
        var isConnecting: Bool { !isConnected && active.values.contains { !$0.isReady } }

        var offer: Offer {
            switch version {
            case nil: .newConnection
            case .http1: .http1
            case .http2: .http2
            }
        }

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
        origins[origin, default: Origin(version: Self.isPlain(origin) ? .http1 : nil)].waiting.append(id)
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
                origin.active[id] = Request(offer: origin.offer, isReady: origin.isConnected)
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

    /// Returns what an active request offers.
    func offer(of id: ID, _ origin: String) -> Offer {
        origins[origin]?.active[id]?.offer ?? .http1
    }

    /// Records that a request has a connection of this version.
    ///
    /// - Parameter isNew: False if an earlier request has used the connection.
    /// - Returns: false if the request must not be sent over it. The request remains active, and has to start again with its
    ///   next offer.
    mutating func connectionReady(_ id: ID, _ name: String, _ version: Version, isNew: Bool) -> Bool {
        guard var origin = origins.removeValue(forKey: name) else { return true }
        defer {
            origins[name] = origin
            candidates.insert(name)
        }
        guard let request = origin.active[id] else { return true }
        if version == .http1, request.offer != .http1 {
            // A connection that was idle since the origin had another version says nothing about it.
            guard isNew || request.offer == .newConnection else {
                origin.active[id] = Request(offer: .newConnection, isReady: false)
                return false
            }
            origin.version = .http1
            // The first request alone has a connection of its own, and every later one offers HTTP/1.1.
            guard request.offer == .newConnection, origin.active.count == 1 else {
                origin.active[id] = Request(offer: .http1, isReady: false)
                return false
            }
        }
        // A request that offered HTTP/2 before another one met HTTP/1.1 changes nothing.
        if origin.version == nil { origin.version = version }
        origin.isConnected = true
        origin.active[id]?.isReady = true
        return true
    }

    /// Removes a request that has ended, or that was cancelled while it waited.
    ///
    /// - Parameter isConnectionLost: the request failed for a reason that the next one on its connection would meet too.
    /// - Returns: the requests that waited for a connection that could not be opened. They fail with the same error
    ///   instead of trying one after another.
    mutating func finished(_ id: ID, _ name: String, isConnectionLost: Bool) -> [ID] {
        guard var origin = origins.removeValue(forKey: name) else { return [] }
        var dependents: [ID] = []
        if let request = origin.active.removeValue(forKey: id) {
            let hadConnection = request.isReady
            if hadConnection, origin.version == .http1 { origin.http1Count += 1 }
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
        if origin.active.isEmpty {
            origin.isConnected = false
            if origin.http1Count >= limits.http1Requests, !Self.isPlain(name) {
                (origin.version, origin.http1Count, origin.growth) = (nil, 0, 0)
            }
        }
        origins[name] = origin
        candidates.insert(name)
        return dependents
    }

    /// HTTP/2 is negotiated within TLS only.
    private static func isPlain(_ origin: String) -> Bool { origin.hasPrefix("http:") }
}
