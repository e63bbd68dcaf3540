/// Decides which requests go out together. Pure: instants come in, batches go out.
///
/// A lone request waits for the `window` only. Where callers say that a crowd is behind them, as at a start over
/// thousands of objects, a batch waits for a good part of it. In a stream of requests whose end nobody knows, it
/// waits until it is worth a request, as long as more keep coming.
struct BatchMachine<Item: Sendable>: Sendable {
    typealias Instant = ContinuousClock.Instant

    struct Policy: Sendable {
        /// From the first request of a batch: those that come at the same moment.
        var window = Duration.milliseconds(3)
        /// A batch of this many waits no longer than the window.
        var targetSize = 100
        /// In a stream.
        var steadyWindow = BatchWindow(maximumGap: .milliseconds(25), maximumDelay: .milliseconds(500))
        /// In a crowd.
        var backlogWindow = BatchWindow(maximumGap: .milliseconds(250), maximumDelay: .seconds(2))
        var maximumSize = 200
    }

    struct BatchWindow: Sendable {
        /// Longest pause between two requests of one batch.
        var maximumGap: Duration
        /// Longest time that a request is held back.
        var maximumDelay: Duration
    }

    enum Action {
        case send([Item])
        /// To be called again at this instant.
        case wait(until: Instant)
        case idle
    }

    private let rules: Policy
    private var items: [Item] = []
    private var first: Instant?
    private var last: Instant?
    private var sent: Instant?
    /// How many more were said to come, with the latest request.
    private var more = 0

    init(_ rules: Policy = Policy()) {
        self.rules = rules
    }

    /// `more`: how many further requests are sure to come soon.
    mutating func add(_ item: Item, followedBy more: Int, now: Instant) -> Action {
        items.append(item)
        self.more = more
        if first == nil { first = now }
        last = now
        return advance(now: now)
    }

    mutating func advance(now: Instant) -> Action {
        guard let due else { return .idle }
        guard now >= due else { return .wait(until: due) }
        defer {
            items = []
            first = nil
            last = nil
            sent = now
        }
        return .send(items)
    }

    private var due: Instant? {
        guard let first, let last else { return nil }
        if items.count >= rules.maximumSize { return first }
        let window = first + rules.window
        guard items.count < rules.targetSize, let patience else { return window }
        return min(max(last + patience.maximumGap, window), first + patience.maximumDelay)
    }

    /// nil: there is nothing to wait for.
    private var patience: BatchWindow? {
        if more > items.count { return rules.backlogWindow }
        // What comes when nothing was sent for so long is no stream.
        if let first, let sent, first - sent < rules.steadyWindow.maximumDelay { return rules.steadyWindow }
        return nil
    }
}
