import Glibc

/// Attributes of a program that is to be started (posix_spawn(3)): it begins with the signals that we began with
/// (`InheritedSignals`), whatever this thread blocks and this process ignores meanwhile.
struct SpawnAttributes: ~Copyable {
    let pointer = UnsafeMutablePointer<posix_spawnattr_t>.allocate(capacity: 1)

    /// - Parameter ownGroup: makes it a process group of its own, so that what the terminal sends us passes it by.
    init(ownGroup: Bool) {
        let signals = InheritedSignals.atStart
        posix_spawnattr_init(pointer)
        var blocked = signals.blocked
        posix_spawnattr_setsigmask(pointer, &blocked)
        var reset = sigset_t()
        sigfillset(&reset)
        for number in signals.ignored { sigdelset(&reset, number) }
        posix_spawnattr_setsigdefault(pointer, &reset)
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
