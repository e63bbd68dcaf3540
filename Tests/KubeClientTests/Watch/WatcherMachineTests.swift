import TestSupport
import Testing

@testable import KubeClient

/// Every state with every input it can get: what is done, and where it leads.
@Suite struct WatcherMachineTests {
    typealias Machine = WatcherMachine

    /// A machine brought to a state by inputs, one more input, and what has to follow.
    struct Row: Sendable, CustomTestStringConvertible {
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
    private static let list = Machine.Transition(change: .beginList, effect: .list(continueToken: nil))
    private static let listLater = Machine.Transition(
        change: .beginList, pause: .backOff, effect: .list(continueToken: nil))
    private static let stream = Machine.Transition(change: .beginList, effect: .streamList)
    private static let read = Machine.Transition(effect: .read)

    private static func watch(
        _ version: String, _ pause: Machine.Pause = .none, probation: Bool = false
    ) -> Machine.Transition {
        Machine.Transition(pause: pause, effect: .watch(resourceVersion: version, probation: probation))
    }

    private static func at(_ version: String, heard: Bool) -> Machine.State {
        .watching(resourceVersion: version, heard: heard)
    }

    static let rows: [Row] = listing + streaming + watching + ending

    private static let listing = [
        Row(name: "start, page by page", before: [], input: .start, step: list, state: .listing),
        Row(
            name: "a page, and more to come", before: [.start],
            input: .page(resourceVersion: "5", continueToken: "t"),
            step: .init(effect: .list(continueToken: "t")), state: .listing),
        Row(
            name: "the last page", before: [.start, .page(resourceVersion: "5", continueToken: "t")],
            input: .page(resourceVersion: "5", continueToken: nil),
            step: .init(
                change: .commitList(resourceVersion: "5"),
                effect: .watch(resourceVersion: "5", probation: false)),
            state: at("5", heard: false)),
        Row(
            name: "410 for the continue token", before: [.start], input: .failed(.expired), step: list,
            state: .listing),
        Row(
            name: "429 for a page", before: [.start], input: .failed(.throttled(retryAfter: .seconds(3))),
            step: .init(change: .beginList, pause: .atLeast(.seconds(3)), effect: .list(continueToken: nil)),
            state: .listing),
        Row(
            name: "no list", before: [.start], input: .failed(.other), step: listLater, state: .listing),
        Row(
            name: "a list of the future", before: [.start], input: .failed(.resourceVersionTooLarge),
            step: listLater,
            state: .listing),
        Row(
            name: "a list that is called wrong", before: [.start], input: .failed(.badRequest),
            step: listLater, state: .listing),
    ]

    private static let streaming = [
        Row(
            name: "start, streamed", streams: true, before: [], input: .start, step: stream,
            state: .streamingList),
        Row(
            name: "an object of a streamed list", streams: true, before: [.start],
            input: .event(resourceVersion: "3"), step: read, state: .streamingList),
        Row(
            name: "a bookmark in a streamed list", streams: true, before: [.start],
            input: .bookmark(resourceVersion: "3", initialEventsEnd: false), step: read,
            state: .streamingList),
        Row(
            name: "the end of a streamed list", streams: true, before: [.start],
            input: .bookmark(resourceVersion: "5", initialEventsEnd: true),
            step: .init(change: .commitList(resourceVersion: "5"), effect: .read), state: at("5", heard: true)
        ),
        Row(
            name: "400 or 422: no streamed lists here", streams: true, before: [.start],
            input: .failed(.badRequest), step: list, state: .listing),
        Row(
            name: "never again after that", streams: true,
            before: [.start, .failed(.badRequest), .page(resourceVersion: "5", continueToken: nil)],
            input: .failed(.expired), step: list, state: .listing),
        Row(
            name: "a streamed list without an end", streams: true,
            before: [.start, .event(resourceVersion: "3")],
            input: .ended(tooSoon: false), step: listLater, state: .listing),
        Row(
            name: "never again after that either", streams: true,
            before: [.start, .ended(tooSoon: false), .page(resourceVersion: "5", continueToken: nil)],
            input: .failed(.expired), step: list, state: .listing),
        Row(
            name: "a streamed list that breaks is listed plainly", streams: true, before: [.start],
            input: .failed(.other), step: listLater, state: .listing),
        Row(
            name: "and the next one is streamed again", streams: true,
            before: [.start, .failed(.other), .page(resourceVersion: "5", continueToken: nil)],
            input: .failed(.expired), step: stream, state: .streamingList),
        Row(
            name: "410 in a streamed list", streams: true, before: [.start], input: .failed(.expired),
            step: listLater, state: .listing),
        Row(
            name: "429 for a streamed list", streams: true, before: [.start],
            input: .failed(.throttled(retryAfter: .seconds(2))),
            step: .init(change: .beginList, pause: .atLeast(.seconds(2)), effect: .list(continueToken: nil)),
            state: .listing),
    ]

    private static let watching = [
        Row(
            name: "an event", before: listed, input: .event(resourceVersion: "6"), step: read,
            state: at("6", heard: true)),
        Row(
            name: "an event without version", before: watched, input: .event(resourceVersion: ""),
            step: read, state: at("6", heard: true)),
        Row(
            name: "a bookmark", before: listed,
            input: .bookmark(resourceVersion: "9", initialEventsEnd: false),
            step: read, state: at("9", heard: true)),
        Row(
            name: "410, as status, as event", before: watched, input: .failed(.expired), step: list,
            state: .listing),
        Row(
            name: "410, where lists are streamed", streams: true,
            before: [.start, .bookmark(resourceVersion: "5", initialEventsEnd: true)],
            input: .failed(.expired), step: stream, state: .streamingList),
        Row(
            name: "ResourceVersionTooLarge", before: watched, input: .failed(.resourceVersionTooLarge),
            step: list,
            state: .listing),
        Row(
            name: "429 that says when", before: watched, input: .failed(.throttled(retryAfter: .seconds(7))),
            step: watch("6", .atLeast(.seconds(7)), probation: true), state: at("6", heard: false)),
        Row(
            name: "429 that does not", before: watched, input: .failed(.throttled(retryAfter: nil)),
            step: watch("6", .backOff, probation: true), state: at("6", heard: false)),
        Row(
            name: "5xx, 401, no connection", before: watched, input: .failed(.other),
            step: watch("6", .backOff, probation: true), state: at("6", heard: false)),
        Row(
            name: "a version the server does not take", before: watched, input: .failed(.badRequest),
            step: listLater, state: .listing),
    ]

    private static let ending = [
        Row(
            name: "its time is up", before: watched, input: .ended(tooSoon: false), step: watch("6"),
            state: at("6", heard: false)),
        Row(
            name: "closed too soon, with events", before: watched, input: .ended(tooSoon: true),
            step: watch("6", .backOff), state: at("6", heard: false)),
        Row(
            name: "closed too soon, silent", before: listed, input: .ended(tooSoon: true),
            step: watch("5", .backOff, probation: true), state: at("5", heard: false)),
        Row(
            name: "silent for all its time: the version may be one the server does not have",
            before: listed, input: .ended(tooSoon: false), step: list, state: .listing),
        Row(
            name: "on probation, and silent", before: watched + [.failed(.other)],
            input: .ended(tooSoon: false), step: list, state: .listing),
        Row(
            name: "probation ends with the first event",
            before: watched + [.failed(.other), .event(resourceVersion: "7")], input: .ended(tooSoon: false),
            step: watch("7"), state: at("7", heard: false)),
        Row(
            name: "probation lasts through a second failure", before: watched + [.failed(.other)],
            input: .failed(.throttled(retryAfter: .seconds(1))),
            step: watch("6", .atLeast(.seconds(1)), probation: true), state: at("6", heard: false)),
        Row(
            name: "a page while watching", before: watched,
            input: .page(resourceVersion: "8", continueToken: nil), step: listLater, state: .listing),
        Row(
            name: "an event while listing", before: [.start], input: .event(resourceVersion: "8"),
            step: listLater, state: .listing),
        Row(
            name: "an end while listing", before: [.start], input: .ended(tooSoon: false), step: listLater,
            state: .listing),
    ]

    @Test(arguments: rows) func follows(row: Row) {
        var machine = Machine(streamingLists: row.streams)
        for input in row.before { _ = machine.advance(input) }
        #expect(machine.advance(row.input) == row.step)
        #expect(machine.state == row.state)
    }

    /// Whatever comes in whatever order, there is a way on, and a watch always has a version.
    @Test func neverWatchesFromNowhere() {
        let inputs: [Machine.Input] = [
            .page(resourceVersion: "5", continueToken: nil), .page(resourceVersion: "5", continueToken: "t"),
            .failed(.expired), .failed(.resourceVersionTooLarge), .failed(.badRequest), .failed(.other),
            .failed(.throttled(retryAfter: nil)), .event(resourceVersion: ""), .event(resourceVersion: "8"),
            .bookmark(resourceVersion: "9", initialEventsEnd: true), .ended(tooSoon: true),
            .bookmark(resourceVersion: "", initialEventsEnd: false), .ended(tooSoon: false),
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
