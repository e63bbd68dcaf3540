import System

/// The cache of a watcher, which keeps a value of each object. Safe to read from any thread; one watcher writes. Readers
/// never see a partial list: a new list is collected in a buffer, which replaces the contents once it is complete.
package final class Store<Value: Sendable>: Sendable {
    /// A value as it is stored: packed, or as it is if it cannot be packed.
    private enum Record: Sendable {
        case packed([UInt8])
        indirect case plain(Value)
    }

    /// Records by namespace and name. Two maps, because a key with both takes more memory than most records have left.
    private struct Contents: Sendable {
        private(set) var count = 0
        private var namespaces: [String: [String: Record]] = [:]

        subscript(ref: ObjectRef) -> Record? { namespaces[ref.namespace]?[ref.name] }

        var refs: [ObjectRef] {
            var refs: [ObjectRef] = []
            refs.reserveCapacity(count)
            forEach { ref, _ in refs.append(ref) }
            return refs
        }

        /// Replaces or removes the record of an object.
        ///
        /// - Returns: the previous one.
        mutating func update(_ ref: ObjectRef, _ record: Record?) -> Record? {
            guard let record else {
                let before = namespaces[ref.namespace]?.removeValue(forKey: ref.name)
                if namespaces[ref.namespace]?.isEmpty == true { namespaces[ref.namespace] = nil }
                count -= before == nil ? 0 : 1
                return before
            }
            let before = namespaces[ref.namespace, default: [:]].updateValue(record, forKey: ref.name)
            count += before == nil ? 1 : 0
            return before
        }

        func forEach(_ body: (ObjectRef, Record) -> Void) {
            for (namespace, records) in namespaces {
                for (name, record) in records { body(ObjectRef(namespace: namespace, name: name), record) }
            }
        }
    }

    private struct State {
        var contents = Contents()
        var incoming: Contents?
        var hasSynced = false
    }

    /// The changes that a new list made.
    package struct Difference: Sendable {
        /// The objects that are new or have another version, with the previous value, if any.
        package var changed: [ObjectRef: Value?] = [:]
        /// The objects that the list no longer contains, although no event reported their deletion.
        package var removed: [ObjectRef: Value] = [:]
    }

    private let state = Locked(State())
    private let version: @Sendable (Value) -> String?
    private let pack: @Sendable (Value) -> [UInt8]?
    private let unpack: @Sendable ([UInt8]) -> Value?

    /// Creates a store that holds the values as they are.
    ///
    /// - Parameter version: returns the version of a value. Values with the same version are equal.
    package convenience init(version: @escaping @Sendable (Value) -> String?) {
        self.init(pack: { _ in nil }, unpack: { _ in nil }, version: version)
    }

    /// Creates a store that holds the values packed, and unpacks them when they are read.
    ///
    /// - Parameters:
    ///   - pack: returns nil for a value that is stored as it is, and equal bytes for equal values.
    ///   - version: returns the version of a value. Values with the same version are equal.
    package init(
        pack: @escaping @Sendable (Value) -> [UInt8]?, unpack: @escaping @Sendable ([UInt8]) -> Value?,
        version: @escaping @Sendable (Value) -> String?
    ) {
        self.version = version
        self.pack = pack
        self.unpack = unpack
    }

    package subscript(ref: ObjectRef) -> Value? {
        state.withLock { $0.contents[ref] }.flatMap(value)
    }

    package func contains(_ ref: ObjectRef) -> Bool { state.withLock { $0.contents[ref] != nil } }

    package var count: Int { state.withLock { $0.contents.count } }

    package var refs: [ObjectRef] { state.withLock { $0.contents.refs } }

    /// Passes the values to `body`. The lock is released every few hundred values, so that other threads wait only
    /// briefly. Objects that are added or removed meanwhile may be missed.
    package func forEach(_ body: (Value) -> Void) {
        let refs = refs
        for start in stride(from: 0, to: refs.count, by: 256) {
            let records = state.withLock { state in
                refs[start..<min(start + 256, refs.count)].compactMap { state.contents[$0] }
            }
            for value in records.compactMap(value) { body(value) }
        }
    }

    package var values: [Value] {
        var values: [Value] = []
        forEach { values.append($0) }
        return values
    }

    /// True after the first complete list.
    package var hasSynced: Bool { state.withLock { $0.hasSynced } }

    /// Starts to collect a new list. Drops a previous one that was not completed.
    package func beginList() {
        state.withLock { $0.incoming = Contents() }
    }

    /// Replaces the contents by the collected list.
    package func commitList() -> Difference {
        let lists = state.withLock { state -> (before: Contents, after: Contents)? in
            guard let incoming = state.incoming else { return nil }
            defer {
                state.contents = incoming
                state.incoming = nil
                state.hasSynced = true
            }
            return (state.contents, incoming)
        }
        guard let lists else { return Difference() }
        var difference = Difference()
        lists.after.forEach { ref, record in
            let before = lists.before[ref]
            if before.map({ !isSameVersion($0, record) }) ?? true {
                difference.changed[ref] = .some(before.flatMap(value))
            }
        }
        lists.before.forEach { ref, record in
            if lists.after[ref] == nil { difference.removed[ref] = value(record) }
        }
        return difference
    }

    /// Forgets everything, as before the first list. The watcher that wrote must have ended.
    package func reset() {
        state.withLock { $0 = State() }
    }

    package enum ApplyResult: Sendable {
        /// Readers see the value now, in place of the previous one.
        case visible(before: Value?)
        /// A list is being collected. Readers see the value once it is complete.
        case buffered
    }

    package func apply(_ ref: ObjectRef, _ value: Value) -> ApplyResult {
        let record = record(value)
        let before = state.withLock { state -> Record?? in
            guard state.incoming == nil else {
                _ = state.incoming?.update(ref, record)
                return nil
            }
            return .some(state.contents.update(ref, record))
        }
        return before.map { .visible(before: $0.flatMap(self.value)) } ?? .buffered
    }

    /// Removes an object from the contents and from a list that is being collected.
    ///
    /// - Returns: the value that readers saw until now.
    package func remove(_ ref: ObjectRef) -> Value? {
        let before = state.withLock { state in
            _ = state.incoming?.update(ref, nil)
            return state.contents.update(ref, nil)
        }
        return before.flatMap(value)
    }

    // MARK: records

    private func record(_ value: Value) -> Record { pack(value).map(Record.packed) ?? .plain(value) }

    private func value(_ record: Record) -> Value? {
        switch record {
        case .packed(let bytes): unpack(bytes)
        case .plain(let value): value
        }
    }

    private func isSameVersion(_ left: Record, _ right: Record) -> Bool {
        switch (left, right) {
        case (.packed(let left), .packed(let right)): left == right
        case (.plain(let left), .plain(let right)): version(left) == version(right)
        // A value that can be packed only now, or no longer, is another one.
        default: false
        }
    }
}
