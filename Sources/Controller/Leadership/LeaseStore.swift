import Cryptography
package import KubeClient
import System

/// Reads and writes one lease. Requests end when their task is cancelled.
package protocol LeaseStore: Sendable {
    func read() async throws(KubeError) -> LeaseSnapshot
    func write(_ change: LeaseChange) async throws(KubeError) -> LeaseSnapshot
}

/// The lease after a request, opaque to other modules.
package struct LeaseSnapshot: Sendable {
    let record: LeaseRecord
}

/// A write to the lease, which fails with a conflict if the lease has another version.
package struct LeaseChange: Sendable {
    let claim: LeaseClaim
    /// The version to replace, or nil to create the lease.
    let expectedVersion: String?
}

/// A lease on an API server. It has its own connections, so that a renewal does not queue behind other requests, and
/// replaces them after a failure, because the connection may be dead.
package final class APILeaseStore: LeaseStore {
    private let ref: ObjectRef
    private let connect: @Sendable () -> KubeClient
    private let client: Locked<KubeClient>
    private let now: @Sendable () -> Timestamp

    /// - Parameter connect: returns a client with its own connections.
    package init(
        _ ref: ObjectRef, now: @escaping @Sendable () -> Timestamp = { .now },
        connect: @escaping @Sendable () -> KubeClient
    ) {
        self.ref = ref
        self.connect = connect
        self.now = now
        client = Locked(connect())
    }

    package func read() async throws(KubeError) -> LeaseSnapshot {
        try await request { client throws(KubeError) in
            LeaseSnapshot(record: LeaseRecord(try await client.get(Lease.self, self.ref)))
        }
    }

    package func write(_ change: LeaseChange) async throws(KubeError) -> LeaseSnapshot {
        let time = now().rfc3339Micros
        var record = LeaseRecord()
        record.holder = change.claim.holder
        record.durationSeconds = change.claim.durationSeconds
        record.acquireTime = change.claim.acquireTime ?? time
        record.renewTime = time
        record.transitions = change.claim.transitions
        let written = record
        let metadata = try await request { client throws(KubeError) in
            if let version = change.expectedVersion {
                try await client.patch(Lease.resource, self.ref, .json(written.patch(over: version)))
            } else {
                try await client.create(Lease.resource, self.ref, body: written.manifest(self.ref))
            }
        }
        record.resourceVersion = metadata.resourceVersion ?? ""
        return LeaseSnapshot(record: record)
    }

    private func request<Value: Sendable>(
        _ body: @Sendable (KubeClient) async throws(KubeError) -> Value
    ) async throws(KubeError) -> Value {
        do {
            return try await body(client.withLock { $0 })
        } catch {
            // A cancelled request counts as a failure: it may have been blocked by a dead connection.
            if error.code == .transport || error.code == .cancelled { client.withLock { $0 = connect() } }
            throw error
        }
    }
}

extension LeaseRecord {
    fileprivate func manifest(_ ref: ObjectRef) -> SharedSecret {
        var json = JSONSecretWriter()
        json.beginManifest(Lease.resource, ref)
        json.endObject()
        json.key("spec")
        writeSpec(to: &json)
        json.endObject()
        return SharedSecret(json.finish())
    }

    /// Replaces only the spec: labels and annotations of a lease may belong to other writers.
    fileprivate func patch(over version: String) -> JSONPatch {
        JSONPatch { patch in
            patch.replace("/metadata/resourceVersion", version)
            patch.operation("add", "/spec") { writeSpec(to: &$0) }
        }
    }

    private func writeSpec(to json: inout JSONSecretWriter) {
        json.beginObject()
        json.member("holderIdentity", holder)
        if let durationSeconds {
            json.key("leaseDurationSeconds")
            json.number(Int64(durationSeconds))
        }
        if let acquireTime { json.member("acquireTime", acquireTime) }
        if let renewTime { json.member("renewTime", renewTime) }
        json.key("leaseTransitions")
        json.number(Int64(transitions))
        json.endObject()
    }
}
