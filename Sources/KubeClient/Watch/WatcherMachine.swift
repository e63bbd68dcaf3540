/// List, then watch, for ever: what a watcher does next, decided without I/O or clock.
///
/// The resource version exists only in the states that have one. Whatever goes wrong, there is a way back:
/// a watch is resumed where it stood when the server may still know that place, and everything is listed
/// anew when it does not. Readers keep the old contents until a new list is complete.
package struct WatcherMachine: Sendable {
    package enum State: Equatable, Sendable {
        /// Nothing is known.
        case empty
        /// A list is under way, page by page.
        case listing
        /// A streamed list (`sendInitialEvents`, KEP-3157) is under way.
        case streamingList
        /// Contents are complete as of this version, from which a watch is open or being opened. `heard`:
        /// whether it has brought an event or a bookmark.
        case watching(resourceVersion: String, heard: Bool)
    }

    package enum Input: Equatable, Sendable {
        case start
        case page(resourceVersion: String, continueToken: String?)
        case failed(WatchFailure)
        case event(resourceVersion: String)
        case bookmark(resourceVersion: String, initialEventsEnd: Bool)
        /// The server closed the watch in order, or its time was up.
        case ended(tooSoon: Bool)
    }

    /// What matters of a failure.
    package enum WatchFailure: Equatable, Sendable {
        /// 410, as HTTP status, as ERROR event or for a continue token: the version is too old.
        case expired
        /// The version is one the server does not have: etcd was restored from an older snapshot.
        case resourceVersionTooLarge
        /// The server calls the request wrong (400, 422): of a streamed list, that it does not know
        /// `sendInitialEvents`; of a watch, that it does not take our version.
        case badRequest
        /// It asks to wait (429); nil: as we think fit.
        case throttled(retryAfter: Duration?)
        /// Anything else: no connection, no credentials, 5xx, 403, 404 while the CRD is missing.
        case other
    }

    package enum Effect: Equatable, Sendable {
        case list(continueToken: String?)
        case streamList
        /// `probation`: after a failure, for a short time only, because a watch from a version that the
        /// server does not have yet stays silent for ever, with HTTP 200.
        case watch(resourceVersion: String, probation: Bool)
        case read
    }

    /// What becomes of the contents that readers see.
    package enum StoreChange: Equatable, Sendable {
        case none
        /// A new list begins; collect it aside.
        case beginList
        /// The new list is complete as of this version; put it in the old one's place.
        case commitList(resourceVersion: String)
    }

    /// How long to wait before the effect.
    package enum Pause: Equatable, Sendable {
        case none
        case backOff
        /// As the server asked, and no shorter than we would have waited anyway: it may ask for nothing.
        case atLeast(Duration)
    }

    package struct Transition: Equatable, Sendable {
        package var change: StoreChange = .none
        package var pause: Pause = .none
        package var effect: Effect
    }

    package private(set) var state: State = .empty
    /// Whether to try a streamed list; false for good once the server has refused one.
    private var streams: Bool
    /// Set by a failure, cleared by the first sign of life of a watch.
    private var probation = false

    package init(streamingLists: Bool) {
        streams = streamingLists
    }

    package mutating func advance(_ input: Input) -> Transition {
        switch (state, input) {
        case (_, .start):
            return begin(pause: .none)
        case (.listing, .page(_, let token?)):
            return Transition(effect: .list(continueToken: token))
        case (.listing, .page(let version, nil)):
            state = .watching(resourceVersion: version, heard: false)
            return Transition(
                change: .commitList(resourceVersion: version),
                effect: .watch(resourceVersion: version, probation: false))
        case (.listing, .failed(.expired)):
            // The continue token is too old. A fresh list may go on at once.
            return begin(pause: .none)
        case (.streamingList, .failed(.badRequest)):
            streams = false
            return begin(pause: .none)
        case (.streamingList, .ended):
            // It ran its time and never said that the list is complete: some storage behind some servers
            // cannot tell. To wait for that again would be to wait for ever.
            streams = false
            return begin(pause: .backOff)
        case (.streamingList, .failed(let failure)):
            // Whatever stands between us and a long stream may let a page through.
            return begin(pause: pause(after: failure), plainly: true)
        case (.streamingList, .event):
            return Transition(effect: .read)
        case (.streamingList, .bookmark(let version, true)):
            state = .watching(resourceVersion: version, heard: true)
            return Transition(change: .commitList(resourceVersion: version), effect: .read)
        case (.streamingList, .bookmark(_, false)):
            return Transition(effect: .read)
        case (.watching(let known, _), .event(let version)),
            (.watching(let known, _), .bookmark(let version, _)):
            // A watch from no version at all would begin anywhere.
            state = .watching(resourceVersion: version.isEmpty ? known : version, heard: true)
            probation = false
            return Transition(effect: .read)
        case (.watching(let version, let heard), .ended(let tooSoon)):
            return resume(version, heard: heard, tooSoon: tooSoon)
        case (.watching, .failed(.expired)), (.watching, .failed(.resourceVersionTooLarge)):
            return begin(pause: .none)
        case (.watching, .failed(.badRequest)):
            // Asking the same again would be refused again.
            return begin(pause: .backOff)
        case (.watching(let version, _), .failed(let failure)):
            probation = true
            return watch(version, pause: pause(after: failure))
        case (_, .failed(let failure)):
            return begin(pause: pause(after: failure))
        case (_, .ended):
            return begin(pause: .backOff)
        case (_, .page), (_, .event), (_, .bookmark):
            // Out of order: the transport and this machine disagree. Start over rather than guess.
            return begin(pause: .backOff)
        }
    }

    /// `plainly`: page by page this time.
    private mutating func begin(pause: Pause, plainly: Bool = false) -> Transition {
        let streams = streams && !plainly
        state = streams ? .streamingList : .listing
        probation = false
        return Transition(
            change: .beginList, pause: pause, effect: streams ? .streamList : .list(continueToken: nil))
    }

    private mutating func watch(_ version: String, pause: Pause) -> Transition {
        state = .watching(resourceVersion: version, heard: false)
        return Transition(pause: pause, effect: .watch(resourceVersion: version, probation: probation))
    }

    private mutating func resume(_ version: String, heard: Bool, tooSoon: Bool) -> Transition {
        if heard { return watch(version, pause: tooSoon ? .backOff : .none) }
        guard tooSoon else {
            // It ran its time without a single event or bookmark. Servers send a bookmark before they end
            // a watch, unless it stands at a version they do not have.
            return begin(pause: .none)
        }
        probation = true
        return watch(version, pause: .backOff)
    }

    private func pause(after failure: WatchFailure) -> Pause {
        if case .throttled(let wait?) = failure { .atLeast(wait) } else { .backOff }
    }
}
