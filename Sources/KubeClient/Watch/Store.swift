import System

/// The cache of a watcher, which keeps a value of each object. Safe to read from any thread; one watcher writes. Readers
/// never see a partial list: a new list is collected in a buffer, which replaces the contents once it is complete.
package final class Store<Value: Sendable>: Sendable {
    /// A value as it is stored: packed, or as it is if it cannot be packed.
    fileprivate enum Record: Sendable {
        case packed([UInt8])
        indirect case plain(Value)
    }

    /// Records by namespace and name. Two maps, because a key with both takes more memory than most records have left.
    fileprivate struct Contents: Sendable {
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

    /// The changes that a new list made. They are computed when they are read, because the reader of a first list needs none.
    package struct Difference: Sendable {
        fileprivate let store: Store
        private let before: Contents
        private let after: Contents

        fileprivate init(_ store: Store, from before: Contents, to after: Contents) {
            self.store = store
            self.before = before
            self.after = after
        }

        /// The objects that are new or have another version, with the previous value, if any.
        package var changed: [ObjectRef: Value?] {
            var changed: [ObjectRef: Value?] = [:]
            after.forEach { ref, record in
                let before = before[ref]
                if before.map({ !store.isSameVersion($0, record) }) ?? true {
                    changed[ref] = .some(before.flatMap(store.value))
                }
            }
            return changed
        }

        /// The objects that the list no longer contains, although no event reported their deletion.
        package var removed: [ObjectRef: Value] {
            var removed: [ObjectRef: Value] = [:]
            before.forEach { ref, record in
                if after[ref] == nil { removed[ref] = store.value(record) }
            }
            return removed
        }
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
        state.withLock { state in
            guard let incoming = state.incoming else {
                return Difference(self, from: state.contents, to: state.contents)
            }
            let before = state.contents
            state.contents = incoming
            state.incoming = nil
            state.hasSynced = true
            return Difference(self, from: before, to: incoming)
        }
    }

    /// Forgets everything, as before the first list. The watcher that wrote must have ended.
    package func reset() {
        state.withLock { $0 = State() }
    }

    package enum ApplyResult: Sendable {
        /// Readers see the value now, in place of the previous one.
        case visible(before: Value?)
        /// A list is being collected, in which the value replaces the previous one. Readers see it once the list is complete.
        case buffered(before: Value?)
    }

    package func apply(_ ref: ObjectRef, _ value: Value) -> ApplyResult {
        let record = record(value)
        let (before, isBuffered) = state.withLock { state -> (Record?, Bool) in
            guard state.incoming == nil else { return (state.incoming?.update(ref, record), true) }
            return (state.contents.update(ref, record), false)
        }
        let value = before.flatMap(self.value)
        return isBuffered ? .buffered(before: value) : .visible(before: value)
    }

    /// The values that `remove` has removed.
    package struct Removal: Sendable {
        /// The value that readers saw until now.
        package let visible: Value?
        /// The value in the list that is being collected.
        package let buffered: Value?
    }

    /// Removes an object from the contents and from a list that is being collected.
    package func remove(_ ref: ObjectRef) -> Removal {
        let (visible, buffered) = state.withLock { state in
            (state.contents.update(ref, nil), state.incoming?.update(ref, nil))
        }
        return Removal(visible: visible.flatMap(value), buffered: buffered.flatMap(value))
    }

    /// Returns the packed form of a value, or nil if there is none.
    package func packed(_ ref: ObjectRef) -> [UInt8]? {
        guard case .packed(let bytes) = state.withLock({ $0.contents[ref] }) else { return nil }
        return bytes
    }

    // MARK: records

    private func record(_ value: Value) -> Record { pack(value).map(Record.packed) ?? .plain(value) }

    fileprivate func value(_ record: Record) -> Value? {
        switch record {
        case .packed(let bytes): unpack(bytes)
        case .plain(let value): value
        }
    }

    fileprivate func isSameVersion(_ left: Record, _ right: Record) -> Bool {
        switch (left, right) {
        case (.packed(let left), .packed(let right)): left == right
        case (.plain(let left), .plain(let right)): version(left) == version(right)
        // A value that can be packed only now, or no longer, is another one.
        default: false
        }
    }
}
