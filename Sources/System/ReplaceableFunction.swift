/// A function that can be replaced while other threads call it.
///
/// A `Locked` must not hold a function itself: each access to a function of generic type converts it and stores the
/// conversion, so that the calls become longer and longer.
package final class ReplaceableFunction<Argument, Result>: Sendable {
    private struct Stored: Sendable {
        let body: @Sendable (Argument) -> Result
    }

    private let stored: Locked<Stored>

    package init(_ body: @escaping @Sendable (Argument) -> Result) {
        stored = Locked(Stored(body: body))
    }

    package func replace(with body: @escaping @Sendable (Argument) -> Result) {
        stored.withLock { $0 = Stored(body: body) }
    }

    /// Calls the function of this moment, without the lock.
    package func callAsFunction(_ argument: Argument) -> Result {
        stored.withLock { $0 }.body(argument)
    }
}

extension ReplaceableFunction where Argument == Void {
    package func callAsFunction() -> Result { self(()) }
}
