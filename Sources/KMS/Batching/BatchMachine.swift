/// Decides which requests go out together. Pure: instants come in, batches go out.
///
/// A lone request waits for the `window` only. Where callers say that a crowd is behind them, as at a start over
/// thousands of objects, a batch waits for a good part of it. In a stream of requests whose end nobody knows, it
/// waits until it is worth a request, as long as more keep coming.
struct BatchMachine<Item: Sendable>: Sendable {
    typealias Instant = ContinuousClock.Instant

    struct Rules: Sendable {
        /// From the first request of a batch: those that come at the same moment.
        var window = Duration.milliseconds(3)
        /// A batch of this many waits no longer than the window.
        var enough = 100
        /// In a stream.
        var stream = Patience(gap: .milliseconds(25), total: .milliseconds(500))
        /// In a crowd.
        var crowd = Patience(gap: .milliseconds(250), total: .seconds(2))
        var maximum = 200
    }

    struct Patience: Sendable {
        /// Longest pause between two requests of one batch.
        var gap: Duration
        /// Longest time that a request is held back.
        var total: Duration
    }

    enum Step {
        case send([Item])
        /// To be called again at this instant.
        case wait(until: Instant)
        case idle
    }

    private let rules: Rules
    private var items: [Item] = []
    private var first: Instant?
    private var last: Instant?
    private var sent: Instant?
    /// How many more were said to come, with the latest request.
    private var more = 0

    init(_ rules: Rules = Rules()) {
        self.rules = rules
    }

    /// `more`: how many further requests are sure to come soon.
    mutating func add(_ item: Item, followedBy more: Int, now: Instant) -> Step {
        items.append(item)
        self.more = more
        if first == nil { first = now }
        last = now
        return step(now: now)
    }

    mutating func step(now: Instant) -> Step {
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
        if items.count >= rules.maximum { return first }
        let window = first + rules.window
        guard items.count < rules.enough, let patience else { return window }
        return min(max(last + patience.gap, window), first + patience.total)
    }

    /// nil: there is nothing to wait for.
    private var patience: Patience? {
        if more > items.count { return rules.crowd }
        // What comes when nothing was sent for so long is no stream.
        if let first, let sent, first - sent < rules.stream.total { return rules.stream }
        return nil
    }
}
