/// A program that reads from a terminal waits for the user, who has to know it.
package enum TerminalInput {
    private static let action = Locked<(@Sendable () -> Void)?>(nil)

    /// Sets what is done before a terminal is read.
    package static func setReadHandler(_ action: @escaping @Sendable () -> Void) {
        self.action.withLock { $0 = action }
    }

    static func callReadHandler() { action.withLock { $0 }?() }
}
