import CLinux
import Glibc

/// The signal mask and the ignored signals that this process was started with, such as SIGHUP under nohup(1). A program
/// that we start, or that takes our place, begins with them: threads of libdispatch block nearly all signals, and
/// neither Ctrl-C nor a pod's SIGTERM would reach a program that inherits such a mask.
package struct InheritedSignals: Sendable {
    let blocked: sigset_t
    let ignored: [Int32]

    private static let recorded = Locked<InheritedSignals?>(nil)

    /// Records the present state. Call it first in main, on the main thread.
    package static func record() {
        var blocked = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &blocked)
        let present = InheritedSignals(blocked: blocked, ignored: numbers.filter { sb_is_ignored($0) != 0 })
        recorded.withLock { $0 = present }
    }

    /// What was recorded; without that, no signal is blocked or ignored.
    static var atStart: InheritedSignals {
        recorded.withLock { recorded in
            if let recorded { return recorded }
            var none = sigset_t()
            sigemptyset(&none)
            return InheritedSignals(blocked: none, ignored: [])
        }
    }

    /// Gives the process and the calling thread the recorded state, for a program that takes our place (execve(2) resets
    /// handlers, but keeps the mask and what is ignored).
    package static func restore() {
        let start = atStart
        for number in numbers {
            if start.ignored.contains(number) {
                signal(number, SIG_IGN)
            } else if sb_is_ignored(number) != 0 {
                signal(number, SIG_DFL)
            }
        }
        var blocked = start.blocked
        pthread_sigmask(SIG_SETMASK, &blocked, nil)
    }

    private static let numbers: ClosedRange<Int32> = 1...64
}
