/// Decides which requests go out together. Pure: instants come in, batches go out.
///
/// A lone request waits for the `window` only. In a stream of them, as at a start over thousands of objects,
/// a batch waits until it is worth a request, as long as more keep coming.
struct BatchMachine<Item: Sendable>: Sendable {
    typealias Instant = ContinuousClock.Instant

    struct Rules: Sendable {
        /// From the first request of a batch: those that come at the same moment.
        var window = Duration.milliseconds(3)
        /// A batch of this many waits no longer than the window.
        var enough = 64
        /// Longest pause between two requests of one stream.
        var gap = Duration.milliseconds(25)
        /// Longest time that a request is held back. What comes when nothing was sent for so long is no stream.
        var patience = Duration.milliseconds(500)
        var maximum = 200
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

    init(_ rules: Rules = Rules()) {
        self.rules = rules
    }

    mutating func add(_ item: Item, now: Instant) -> Step {
        items.append(item)
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
        let isStream = sent.map { first - $0 < rules.patience } ?? false
        guard isStream, items.count < rules.enough else { return window }
        return min(max(last + rules.gap, window), first + rules.patience)
    }
}
