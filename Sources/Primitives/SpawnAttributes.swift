import Glibc

/// Attributes of a program that is to be started (posix_spawn(3)): signals are to it what they are by default. We may
/// block and ignore some that it expects.
struct SpawnAttributes: ~Copyable {
    let pointer = UnsafeMutablePointer<posix_spawnattr_t>.allocate(capacity: 1)

    /// - Parameter ownGroup: makes it a process group of its own, so that what the terminal sends us passes it by.
    init(ownGroup: Bool) {
        posix_spawnattr_init(pointer)
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(pointer, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(pointer, &signals)
        posix_spawnattr_setpgroup(pointer, 0)
        let flags =
            POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (ownGroup ? POSIX_SPAWN_SETPGROUP : 0)
        posix_spawnattr_setflags(pointer, Int16(flags))
    }

    deinit {
        posix_spawnattr_destroy(pointer)
        pointer.deallocate()
    }
}
