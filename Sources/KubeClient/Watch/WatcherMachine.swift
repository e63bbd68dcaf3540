/// Decides whether a watcher lists or watches next. A pure state machine without I/O or clock.
///
/// Only the states that have a resource version store one. Every failure has a way back: a watch resumes at its resource
/// version if the server may still know it, and otherwise everything is listed again. Readers keep the old contents until
/// a new list is complete.
package struct WatcherMachine: Sendable {
    package enum State: Equatable, Sendable {
        /// Nothing is known.
        case empty
        /// A list is being read page by page.
        case listing
        /// A streamed list (`sendInitialEvents`, KEP-3157) is being read.
        case streamingList
        /// The contents are complete as of this version, and a watch from it is open or being opened. `receivedEvent` is
        /// true after its first event or bookmark.
        case watching(resourceVersion: String, receivedEvent: Bool)
    }

    package enum Input: Equatable, Sendable {
        case start
        case page(resourceVersion: String, continueToken: String?)
        case failed(WatchFailure)
        case event(resourceVersion: String)
        case bookmark(resourceVersion: String, initialEventsEnd: Bool)
        /// The server closed the watch normally, for example after its timeout.
        case ended(tooSoon: Bool)
    }

    package enum WatchFailure: Equatable, Sendable {
        /// The version or the continue token is too old: 410 as HTTP status or as ERROR event.
        case expired
        /// The server does not have the version yet, because etcd was restored from an older snapshot.
        case resourceVersionTooLarge
        /// The server refused the request (400, 422): for a streamed list, because it does not support
        /// `sendInitialEvents`; for a watch, because it does not accept the version.
        case badRequest
        /// The server throttles requests (429), and may have requested a delay.
        case throttled(retryAfter: Duration?)
        /// Any other failure: no connection, no credentials, 5xx, 403, or 404 while the CRD is missing.
        case other
    }

    package enum Effect: Equatable, Sendable {
        case list(continueToken: String?)
        case streamList
        /// `isShort` is true after a failure: a watch from a version that the server does not have yet gets HTTP 200 and
        /// then no event for ever, so its silence has to be noticed soon.
        case watch(resourceVersion: String, isShort: Bool)
        case read
    }

    /// A change of the contents that readers see.
    package enum StoreChange: Equatable, Sendable {
        case none
        /// A new list begins. It is collected in a buffer.
        case beginList
        /// The new list is complete as of this version, and replaces the old contents.
        case commitList(resourceVersion: String)
    }

    /// The delay before the effect.
    package enum Pause: Equatable, Sendable {
        case none
        case backOff
        /// The delay that the server requested, or the backoff's if that is longer: the server may request zero.
        case atLeast(Duration)
    }

    package struct Transition: Equatable, Sendable {
        package var change: StoreChange = .none
        package var pause: Pause = .none
        package var effect: Effect
    }

    package private(set) var state: State = .empty
    private let streams: Bool
    /// The number of lists that are read page by page before a streamed one is tried again.
    private var pagedLists = 0
    /// `pagedLists` after the next streamed list that the server refuses or does not complete. Doubles each time.
    private var nextPagedLists = 1
    /// True from a failure to the first event of a watch.
    private var isShortWatch = false
    /// True until something expires, and again after the next event of a watch.
    private var listsAtOnce = true

    private static let maximumPagedLists = 16

    package init(streamingLists: Bool) {
        streams = streamingLists
    }

    package mutating func advance(_ input: Input) -> Transition {
        switch (state, input) {
        case (_, .start):
            return beginList(pause: .none)
        case (.listing, .page(_, let token?)):
            return Transition(effect: .list(continueToken: token))
        case (.listing, .page("", nil)):
            // A watch without a version would begin at an arbitrary point.
            return beginList(pause: .backOff)
        case (.listing, .page(let version, nil)):
            pagedLists = max(pagedLists - 1, 0)
            state = .watching(resourceVersion: version, receivedEvent: false)
            return Transition(
                change: .commitList(resourceVersion: version),
                effect: .watch(resourceVersion: version, isShort: false))
        case (.listing, .failed(.expired)):
            // The continue token is too old.
            return listAgain()
        case (.streamingList, .failed(.badRequest)):
            return listByPages(pause: .none)
        case (.streamingList, .ended):
            // Either the list ran until its timeout without an end marker, which some storage backends cannot produce, or
            // a proxy closed it.
            return listByPages(pause: .backOff)
        case (.streamingList, .failed(let failure)):
            // A proxy that interrupts long streams may let a page pass.
            return beginList(pause: pause(after: failure), pageByPage: true)
        case (.streamingList, .event):
            return Transition(effect: .read)
        case (.streamingList, .bookmark("", true)):
            return beginList(pause: .backOff, pageByPage: true)
        case (.streamingList, .bookmark(let version, true)):
            nextPagedLists = 1
            state = .watching(resourceVersion: version, receivedEvent: true)
            return Transition(change: .commitList(resourceVersion: version), effect: .read)
        case (.streamingList, .bookmark(_, false)):
            return Transition(effect: .read)
        case (.watching(let known, _), .event(let version)),
            (.watching(let known, _), .bookmark(let version, _)):
            state = .watching(resourceVersion: version.isEmpty ? known : version, receivedEvent: true)
            isShortWatch = false
            listsAtOnce = true
            return Transition(effect: .read)
        case (.watching(let version, let receivedEvent), .ended(let tooSoon)):
            return resume(version, receivedEvent: receivedEvent, tooSoon: tooSoon)
        case (.watching, .failed(.expired)), (.watching, .failed(.resourceVersionTooLarge)):
            return listAgain()
        case (.watching, .failed(.badRequest)):
            // The same request would be refused again.
            return beginList(pause: .backOff)
        case (.watching(let version, _), .failed(let failure)):
            isShortWatch = true
            return watch(version, pause: pause(after: failure))
        case (_, .failed(let failure)):
            return beginList(pause: pause(after: failure))
        case (_, .ended):
            return beginList(pause: .backOff)
        case (_, .page), (_, .event), (_, .bookmark):
            // The input does not fit the state, so the transport and this machine disagree. A new list corrects that.
            return beginList(pause: .backOff)
        }
    }

    private mutating func beginList(pause: Pause, pageByPage: Bool = false) -> Transition {
        let streams = streams && pagedLists == 0 && !pageByPage
        state = streams ? .streamingList : .listing
        isShortWatch = false
        return Transition(
            change: .beginList, pause: pause, effect: streams ? .streamList : .list(continueToken: nil))
    }

    /// Lists page by page, this time and perhaps some times more, because the server does not stream a whole list. It may do so
    /// later: it is updated, or what interrupted the stream is over.
    private mutating func listByPages(pause: Pause) -> Transition {
        pagedLists = nextPagedLists
        nextPagedLists = min(nextPagedLists * 2, Self.maximumPagedLists)
        return beginList(pause: pause)
    }

    /// Begins a new list because a version or a continue token has expired: at once, but not several times without an event. A
    /// server whose new versions have expired already would get lists in a tight loop.
    private mutating func listAgain() -> Transition {
        defer { listsAtOnce = false }
        return beginList(pause: listsAtOnce ? .none : .backOff)
    }

    private mutating func watch(_ version: String, pause: Pause) -> Transition {
        state = .watching(resourceVersion: version, receivedEvent: false)
        return Transition(pause: pause, effect: .watch(resourceVersion: version, isShort: isShortWatch))
    }

    private mutating func resume(_ version: String, receivedEvent: Bool, tooSoon: Bool) -> Transition {
        if receivedEvent { return watch(version, pause: tooSoon ? .backOff : .none) }
        guard tooSoon else {
            // The watch reached its timeout without an event or bookmark. Servers send a bookmark before they end a watch,
            // unless its version is one that they do not have.
            return beginList(pause: .none)
        }
        isShortWatch = true
        return watch(version, pause: .backOff)
    }

    private func pause(after failure: WatchFailure) -> Pause {
        if case .throttled(let delay?) = failure { .atLeast(delay) } else { .backOff }
    }
}
