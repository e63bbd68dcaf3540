/// What a queue's observer is told.
enum WorkQueueEvent<Key: Sendable>: Sendable {
    /// It is to run, and was not before.
    case added(Key)
    case taken(Key)
    case finished(Key)
    /// It will be tried again.
    case failed(Key)
}
