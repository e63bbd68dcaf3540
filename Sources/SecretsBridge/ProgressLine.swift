import CLI
import System

/// The last line of a terminal, which tells how far a long piece of work is. Where standard error is none, nothing is
/// shown. May be used from several tasks.
final class ProgressLine: Sendable {
    private struct State {
        var meter: ProgressMeter?
        /// The line of it that was shown last.
        var shown = ""
    }

    private let state: Locked<State>

    /// `total`: nil while nobody knows.
    init(total: Int?) {
        let isShown = Console.errorDisplay.canMoveCursor
        state = Locked(State(meter: isShown ? ProgressMeter(total: total, now: .now) : nil))
    }

    func setTotal(_ total: Int) { update { $0.setTotal(total) } }

    func advance(by count: Int) { update { $0.advance(by: count) } }

    /// What `say` writes comes to stand above the line.
    func printAbove(_ say: () -> Void) {
        state.withLock { state in
            guard state.meter != nil else { return say() }
            Console.clearLine()
            say()
            Console.transientLine(state.shown)
        }
    }

    /// Takes the line away, for good.
    func finish() {
        state.withLock { state in
            if state.meter != nil { Console.clearLine() }
            state.meter = nil
        }
    }

    private func update(_ change: (inout ProgressMeter) -> Void) {
        state.withLock { state in
            guard var meter = state.meter else { return }
            change(&meter)
            if let line = meter.line(now: .now) {
                Console.transientLine(line)
                state.shown = line
            }
            state.meter = meter
        }
    }
}
