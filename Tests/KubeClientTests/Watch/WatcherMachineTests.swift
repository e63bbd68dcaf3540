import TestSupport
import Testing

@testable import KubeClient

/// Covers every state with every input that it can get.
@Suite struct WatcherMachineTests {
    typealias Machine = WatcherMachine

    /// The inputs that bring a machine to a state, one more input, and the expected transition and state.
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        var streams = false
        let before: [Machine.Input]
        let input: Machine.Input
        let step: Machine.Transition
        let state: Machine.State

        var testDescription: String { name }
    }

    private static let listed: [Machine.Input] = [.start, .page(resourceVersion: "5", continueToken: nil)]
    private static let watched = listed + [.event(resourceVersion: "6")]
    private static let listedAgain =
        watched + [.failed(.expired), .page(resourceVersion: "5", continueToken: nil)]
    private static let list = Machine.Transition(change: .beginList, effect: .list(continueToken: nil))
    private static let listLater = Machine.Transition(
        change: .beginList, pause: .backOff, effect: .list(continueToken: nil))
    private static let streamLater = Machine.Transition(
        change: .beginList, pause: .backOff, effect: .streamList)
    private static let listedByPage = Machine.Input.page(resourceVersion: "5", continueToken: nil)
    /// The server has refused a streamed list, and the next one is streamed.
    private static let refusedOnce: [Machine.Input] = [
        .start, .failed(.badRequest), listedByPage, .failed(.expired),
    ]
    private static let stream = Machine.Transition(change: .beginList, effect: .streamList)
    private static let read = Machine.Transition(effect: .read)

    private static func watch(
        _ version: String, _ pause: Machine.Pause = .none, isShort: Bool = false
    ) -> Machine.Transition {
        Machine.Transition(pause: pause, effect: .watch(resourceVersion: version, isShort: isShort))
    }

    private static func at(_ version: String, receivedEvent: Bool) -> Machine.State {
        .watching(resourceVersion: version, receivedEvent: receivedEvent)
    }

    static let cases: [Case] = listing + streaming + watching + ending

    private static let listing = [
        Case(name: "start with pages", before: [], input: .start, step: list, state: .listing),
        Case(
            name: "a page that is not the last", before: [.start],
            input: .page(resourceVersion: "5", continueToken: "t"),
            step: .init(effect: .list(continueToken: "t")), state: .listing),
        Case(
            name: "the last page", before: [.start, .page(resourceVersion: "5", continueToken: "t")],
            input: .page(resourceVersion: "5", continueToken: nil),
            step: .init(
                change: .commitList(resourceVersion: "5"),
                effect: .watch(resourceVersion: "5", isShort: false)),
            state: at("5", receivedEvent: false)),
        Case(
            name: "a list without a version", before: [.start],
            input: .page(resourceVersion: "", continueToken: nil), step: listLater, state: .listing),
        Case(
            name: "410 for the continue token", before: [.start], input: .failed(.expired), step: list,
            state: .listing),
        Case(
            name: "410 for the next continue token", before: [.start, .failed(.expired)],
            input: .failed(.expired), step: listLater, state: .listing),
        Case(
            name: "429 for a page", before: [.start], input: .failed(.throttled(retryAfter: .seconds(3))),
            step: .init(change: .beginList, pause: .atLeast(.seconds(3)), effect: .list(continueToken: nil)),
            state: .listing),
        Case(
            name: "a list that fails", before: [.start], input: .failed(.other), step: listLater,
            state: .listing),
        Case(
            name: "a list whose version is too large", before: [.start],
            input: .failed(.resourceVersionTooLarge),
            step: listLater,
            state: .listing),
        Case(
            name: "a list that is refused", before: [.start], input: .failed(.badRequest),
            step: listLater, state: .listing),
    ]

    private static let streaming = [
        Case(
            name: "start, streamed", streams: true, before: [], input: .start, step: stream,
            state: .streamingList),
        Case(
            name: "an object of a streamed list", streams: true, before: [.start],
            input: .event(resourceVersion: "3"), step: read, state: .streamingList),
        Case(
            name: "a bookmark in a streamed list", streams: true, before: [.start],
            input: .bookmark(resourceVersion: "3", initialEventsEnd: false), step: read,
            state: .streamingList),
        Case(
            name: "the end of a streamed list", streams: true, before: [.start],
            input: .bookmark(resourceVersion: "5", initialEventsEnd: true),
            step: .init(change: .commitList(resourceVersion: "5"), effect: .read),
            state: at("5", receivedEvent: true)
        ),
        Case(
            name: "400 or 422 for a streamed list", streams: true, before: [.start],
            input: .failed(.badRequest), step: list, state: .listing),
        Case(
            name: "the list after a refusal is streamed again", streams: true,
            before: [.start, .failed(.badRequest), .page(resourceVersion: "5", continueToken: nil)],
            input: .failed(.expired), step: stream, state: .streamingList),
        Case(
            name: "the second list after a second refusal is not streamed", streams: true,
            before: refusedOnce + [.failed(.badRequest), listedByPage], input: .failed(.expired),
            step: listLater, state: .listing),
        Case(
            name: "the third list after a second refusal is streamed again", streams: true,
            before: refusedOnce + [.failed(.badRequest), listedByPage, .failed(.expired), listedByPage],
            input: .failed(.expired), step: streamLater, state: .streamingList),
        Case(
            name: "a complete streamed list ends the count of refusals", streams: true,
            before: refusedOnce + [
                .bookmark(resourceVersion: "5", initialEventsEnd: true), .failed(.expired),
                .failed(.badRequest), listedByPage,
            ], input: .failed(.expired), step: streamLater, state: .streamingList),
        Case(
            name: "the end of a streamed list without a version", streams: true, before: [.start],
            input: .bookmark(resourceVersion: "", initialEventsEnd: true), step: listLater,
            state: .listing),
        Case(
            name: "a streamed list without an end", streams: true,
            before: [.start, .event(resourceVersion: "3")],
            input: .ended(tooSoon: false), step: listLater, state: .listing),
        Case(
            name: "the list after one without an end is streamed again", streams: true,
            before: [.start, .ended(tooSoon: false), .page(resourceVersion: "5", continueToken: nil)],
            input: .failed(.expired), step: stream, state: .streamingList),
        Case(
            name: "a streamed list that fails is listed with pages", streams: true, before: [.start],
            input: .failed(.other), step: listLater, state: .listing),
        Case(
            name: "the next list is streamed again", streams: true,
            before: [.start, .failed(.other), .page(resourceVersion: "5", continueToken: nil)],
            input: .failed(.expired), step: stream, state: .streamingList),
        Case(
            name: "410 in a streamed list", streams: true, before: [.start], input: .failed(.expired),
            step: listLater, state: .listing),
        Case(
            name: "429 for a streamed list", streams: true, before: [.start],
            input: .failed(.throttled(retryAfter: .seconds(2))),
            step: .init(change: .beginList, pause: .atLeast(.seconds(2)), effect: .list(continueToken: nil)),
            state: .listing),
    ]

    private static let watching = [
        Case(
            name: "an event", before: listed, input: .event(resourceVersion: "6"), step: read,
            state: at("6", receivedEvent: true)),
        Case(
            name: "an event without version", before: watched, input: .event(resourceVersion: ""),
            step: read, state: at("6", receivedEvent: true)),
        Case(
            name: "a bookmark", before: listed,
            input: .bookmark(resourceVersion: "9", initialEventsEnd: false),
            step: read, state: at("9", receivedEvent: true)),
        Case(
            name: "410, as status, as event", before: watched, input: .failed(.expired), step: list,
            state: .listing),
        Case(
            name: "410 again, without an event", before: listedAgain, input: .failed(.expired),
            step: listLater, state: .listing),
        Case(
            name: "410 again, after an event", before: listedAgain + [.event(resourceVersion: "6")],
            input: .failed(.expired), step: list, state: .listing),
        Case(
            name: "410, where lists are streamed", streams: true,
            before: [.start, .bookmark(resourceVersion: "5", initialEventsEnd: true)],
            input: .failed(.expired), step: stream, state: .streamingList),
        Case(
            name: "ResourceVersionTooLarge", before: watched, input: .failed(.resourceVersionTooLarge),
            step: list,
            state: .listing),
        Case(
            name: "429 with Retry-After", before: watched,
            input: .failed(.throttled(retryAfter: .seconds(7))),
            step: watch("6", .atLeast(.seconds(7)), isShort: true), state: at("6", receivedEvent: false)),
        Case(
            name: "429 without Retry-After", before: watched, input: .failed(.throttled(retryAfter: nil)),
            step: watch("6", .backOff, isShort: true), state: at("6", receivedEvent: false)),
        Case(
            name: "5xx, 401, no connection", before: watched, input: .failed(.other),
            step: watch("6", .backOff, isShort: true), state: at("6", receivedEvent: false)),
        Case(
            name: "a version that the server refuses", before: watched, input: .failed(.badRequest),
            step: listLater, state: .listing),
    ]

    private static let ending = [
        Case(
            name: "the timeout", before: watched, input: .ended(tooSoon: false), step: watch("6"),
            state: at("6", receivedEvent: false)),
        Case(
            name: "closed too soon, with events", before: watched, input: .ended(tooSoon: true),
            step: watch("6", .backOff), state: at("6", receivedEvent: false)),
        Case(
            name: "closed too soon, without events", before: listed, input: .ended(tooSoon: true),
            step: watch("5", .backOff, isShort: true), state: at("5", receivedEvent: false)),
        Case(
            name: "the timeout without events: the version may be too large",
            before: listed, input: .ended(tooSoon: false), step: list, state: .listing),
        Case(
            name: "a short watch without events", before: watched + [.failed(.other)],
            input: .ended(tooSoon: false), step: list, state: .listing),
        Case(
            name: "short watches end with the first event",
            before: watched + [.failed(.other), .event(resourceVersion: "7")], input: .ended(tooSoon: false),
            step: watch("7"), state: at("7", receivedEvent: false)),
        Case(
            name: "short watches continue after a second failure", before: watched + [.failed(.other)],
            input: .failed(.throttled(retryAfter: .seconds(1))),
            step: watch("6", .atLeast(.seconds(1)), isShort: true), state: at("6", receivedEvent: false)),
        Case(
            name: "a page while watching", before: watched,
            input: .page(resourceVersion: "8", continueToken: nil), step: listLater, state: .listing),
        Case(
            name: "an event while listing", before: [.start], input: .event(resourceVersion: "8"),
            step: listLater, state: .listing),
        Case(
            name: "an end while listing", before: [.start], input: .ended(tooSoon: false), step: listLater,
            state: .listing),
    ]

    @Test(arguments: cases) func transitionsAsExpected(test: Case) {
        var machine = Machine(streamingLists: test.streams)
        for input in test.before { _ = machine.advance(input) }
        #expect(machine.advance(test.input) == test.step)
        #expect(machine.state == test.state)
    }

    /// Returns the numbers of paged lists between two streamed ones, if each streamed list ends by `input`.
    private func pagedLists(afterEach input: Machine.Input, times: Int) -> [Int] {
        var machine = Machine(streamingLists: true)
        var effect = machine.advance(.start).effect
        return (0..<times).map { _ in
            var count = 0
            if effect == .streamList { effect = machine.advance(input).effect }
            while effect != .streamList, count < 100 {
                _ = machine.advance(Self.listedByPage)
                effect = machine.advance(.failed(.expired)).effect
                count += 1
            }
            return count
        }
    }

    /// The server may be updated, so a refusal is not for ever.
    @Test(arguments: [Machine.Input.failed(.badRequest), .ended(tooSoon: false), .ended(tooSoon: true)])
    func triesAStreamedListAgainAfterAtMostSixteenPagedOnes(input: Machine.Input) {
        #expect(pagedLists(afterEach: input, times: 7) == [1, 2, 4, 8, 16, 16, 16])
    }

    /// An interruption says nothing about what the server supports.
    @Test(arguments: [Machine.WatchFailure.other, .expired, .throttled(retryAfter: nil)])
    func anInterruptedStreamIsFollowedByOnePagedList(failure: Machine.WatchFailure) {
        #expect(pagedLists(afterEach: .failed(failure), times: 4) == [1, 1, 1, 1])
    }

    /// Any sequence of inputs has a next effect, and every watch has a resource version.
    @Test func neverWatchesWithoutAResourceVersion() {
        let inputs: [Machine.Input] = [
            .page(resourceVersion: "5", continueToken: nil), .page(resourceVersion: "5", continueToken: "t"),
            .failed(.expired), .failed(.resourceVersionTooLarge), .failed(.badRequest), .failed(.other),
            .failed(.throttled(retryAfter: nil)), .event(resourceVersion: ""), .event(resourceVersion: "8"),
            .bookmark(resourceVersion: "9", initialEventsEnd: true), .ended(tooSoon: true),
            .bookmark(resourceVersion: "", initialEventsEnd: false), .ended(tooSoon: false),
            .bookmark(resourceVersion: "", initialEventsEnd: true),
            .page(resourceVersion: "", continueToken: nil),
        ]
        var random = SeededGenerator(1)
        for round in 0..<2000 {
            var machine = Machine(streamingLists: round.isMultiple(of: 2))
            _ = machine.advance(.start)
            for _ in 0..<20 {
                guard let input = inputs.randomElement(using: &random) else { return }
                if case .watch(let version, _) = machine.advance(input).effect { #expect(!version.isEmpty) }
            }
        }
    }
}
