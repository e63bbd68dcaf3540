import TestSupport
import Testing

@testable import KubeClient

/// Random changes and faults of a server in virtual time; see `WatchSimulation`.
@Suite struct WatcherPropertyTests {
    @Test(arguments: [false, true])
    func theStoreEqualsTheServerOnceTheFaultsEnd(streamingLists: Bool) async {
        let violation = await PropertyRun.violation(seeds: 25) { random in
            var simulation = WatchSimulation(random, streamingLists: streamingLists)
            simulation.run(seconds: 1000)
            simulation.settle()
            return simulation.violation
        }
        #expect(violation == nil)
    }

    /// A server that answers each request in the same way, and what it answers.
    struct Hostility: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var streams = false
        let answer: @Sendable (WatcherMachine.Effect) -> [WatcherMachine.Input]
    }

    private static let listed: [WatcherMachine.Input] = [.page(resourceVersion: "5", continueToken: nil)]

    /// The server lists, and answers each watch with `inputs`.
    private static func watches(_ name: String, _ inputs: [WatcherMachine.Input]) -> Hostility {
        Hostility(testDescription: name) { effect in
            if case .watch = effect { inputs } else { listed }
        }
    }

    static let hostilities = [
        watches("each watch has expired", [.failed(.expired)]),
        watches("each version is too large", [.failed(.resourceVersionTooLarge)]),
        watches("each watch is refused", [.failed(.badRequest)]),
        watches("each watch fails", [.failed(.other)]),
        watches("each watch is throttled without a delay", [.failed(.throttled(retryAfter: .zero))]),
        watches("each watch closes at once", [.ended(tooSoon: true)]),
        watches("each watch closes after an event", [.event(resourceVersion: "6"), .ended(tooSoon: true)]),
        watches("each watch breaks after an event", [.event(resourceVersion: "6"), .failed(.other)]),
        Hostility(testDescription: "each list fails") { _ in [.failed(.other)] },
        Hostility(testDescription: "each list is refused") { _ in [.failed(.badRequest)] },
        Hostility(testDescription: "each continue token has expired") { effect in
            effect == .list(continueToken: nil)
                ? [.page(resourceVersion: "5", continueToken: "t")] : [.failed(.expired)]
        },
        Hostility(testDescription: "lists by page alone succeed", streams: true) { effect in
            if case .list = effect { listed } else { [.failed(.expired)] }
        },
        Hostility(testDescription: "no list has a version") { _ in
            [.page(resourceVersion: "", continueToken: nil)]
        },
        Hostility(testDescription: "no streamed list has a version", streams: true) { effect in
            effect == .streamList ? [.bookmark(resourceVersion: "", initialEventsEnd: true)] : listed
        },
        Hostility(testDescription: "each streamed list is closed", streams: true) { effect in
            effect == .streamList ? [.ended(tooSoon: true)] : listed
        },
        Hostility(testDescription: "each streamed list is refused, and each watch expires", streams: true) {
            effect in
            switch effect {
            case .streamList: [.failed(.badRequest)]
            case .list: listed
            case .watch, .read: [.failed(.expired)]
            }
        },
        Hostility(testDescription: "each streamed list expires at its end", streams: true) { effect in
            effect == .streamList
                ? [.bookmark(resourceVersion: "5", initialEventsEnd: true), .failed(.expired)]
                : listed
        },
    ]

    /// A pause takes 0.4 s on average at first.
    @Test(arguments: hostilities)
    func noAnswerOfTheServerLeadsToATightLoopOfRequests(hostility: Hostility) async {
        let seconds = 300.0
        let violation = await PropertyRun.violation(seeds: 3) { random in
            var machine = WatcherMachine(streamingLists: hostility.streams)
            var transition = machine.advance(.start)
            var (time, requests, failures) = (0.0, 0, 0)
            while time < seconds, requests < 10_000 {
                if transition.pause != .none {
                    let ceiling = min(0.8 * Double(1 << min(failures, 8)), 30)
                    time += Double.random(in: 0..<ceiling, using: &random)
                    failures += 1
                }
                time += 0.002
                requests += 1
                for input in hostility.answer(transition.effect) {
                    transition = machine.advance(input)
                    if transition.effect == .read { failures = 0 }
                }
            }
            return requests > Int(seconds) * 3 ? "\(requests) requests in \(seconds) s" : nil
        }
        #expect(violation == nil)
    }
}
