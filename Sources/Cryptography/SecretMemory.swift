import Glibc

/// The one way to give back memory that held a secret: zero it, then free it.
package enum SecretMemory {
    /// Sees the memory after it was zeroed and while it is still allocated, so that a test can check the zeroes
    /// without reading freed memory. Task-local: tests that run side by side do not see each other's.
    @TaskLocal package static var onRelease: (@Sendable (UnsafeRawBufferPointer) -> Void)?

    package static func release(_ memory: UnsafeMutableRawBufferPointer) {
        wipe(memory)
        onRelease?(UnsafeRawBufferPointer(memory))
        memory.deallocate()
    }

    /// Zeroes memory in a way that no optimiser removes.
    private static func wipe(_ memory: UnsafeMutableRawBufferPointer) {
        if let base = memory.baseAddress { explicit_bzero(base, memory.count) }
    }
}
