package import Cryptography
import FoundationEssentials
import HTTPTypes

/// The verbs. What is written comes back as metadata only: the server need not send a Secret's data.
extension KubeClient {
    /// One object.
    ///
    /// - Parameter maximumBytes: of the answer; nil for as much as an object may have.
    /// - Throws: `.responseTooLarge` when the answer has more.
    package func get<Object: KubeObject>(
        _ type: Object.Type, _ ref: ObjectRef, maximumBytes: Int? = nil
    ) async throws(KubeError) -> Object {
        let resource = Object.resource
        let activity = "reading \(resource.kind) \(ref)"
        return try await perform(
            Request(
                method: .get, path: resource.path(namespace: ref.namespace, name: ref.name),
                accept: Object.isMetadataOnly ? MediaType.metadata : MediaType.json, activity: activity,
                maximumResponseSize: maximumBytes
                    ?? (Object.isMetadataOnly ? Self.maximumMetadataSize : Self.maximumObjectSize)), type)
    }

    /// Metadata alone, of any kind.
    package func getMetadata(_ resource: Resource, _ ref: ObjectRef) async throws(KubeError) -> ObjectMeta {
        let activity = "reading \(resource.kind) \(ref)"
        return try await perform(
            Request(
                method: .get, path: resource.path(namespace: ref.namespace, name: ref.name),
                accept: MediaType.metadata, activity: activity, maximumResponseSize: Self.maximumMetadataSize),
            PartialObjectMetadata.self
        ).metadata
    }

    /// One page; pass its `continueToken` for the next one. `ListPager` reads them all.
    ///
    /// - Throws: `.responseTooLarge` when the page has more than `maximumBytes`.
    package func list<Object: KubeObject>(
        _ type: Object.Type, _ selection: Selection, limit: Int = 500, continueToken: String? = nil,
        maximumBytes: Int = 32 << 20
    ) async throws(KubeError) -> ListPage<Object> {
        let resource = Object.resource
        let activity = "listing \(resource.plural)"
        var query = selection.query + [("limit", String(limit))]
        if let continueToken { query.append(("continue", continueToken)) }
        let call = Request(
            method: .get, path: resource.path(namespace: selection.namespace), query: query,
            accept: Object.isMetadataOnly ? MediaType.metadataList : MediaType.json, activity: activity,
            maximumResponseSize: maximumBytes)
        return try await perform(call) { bytes throws(KubeError) in
            var page = try Self.decode(ListPage<Object>.self, from: bytes, activity: activity)
            page.byteCount = bytes.count
            return page
        }
    }

    /// POST: fails with `alreadyExists` rather than touch an object that is there.
    ///
    /// - Parameter isDryRun: everything is checked, and nothing is made.
    package func create(
        _ resource: Resource, _ ref: ObjectRef, body: SharedSecret, isDryRun: Bool = false
    ) async throws(KubeError) -> ObjectMeta {
        try await write(
            Request(
                method: .post, path: resource.path(namespace: ref.namespace),
                query: [("fieldManager", Self.fieldManager)] + (isDryRun ? [("dryRun", "All")] : []),
                body: .secret(body, contentType: MediaType.json),
                activity: "creating \(resource.kind) \(ref)"))
    }

    /// PUT: replaces the whole object, whose resourceVersion must be that in `body`.
    package func update(
        _ resource: Resource, _ ref: ObjectRef, subresource: String? = nil, body: SharedSecret
    ) async throws(KubeError) -> ObjectMeta {
        try await write(
            Request(
                method: .put,
                path: resource.path(namespace: ref.namespace, name: ref.name, subresource: subresource),
                query: [("fieldManager", Self.fieldManager)],
                body: .secret(body, contentType: MediaType.json),
                activity: "replacing \(resource.kind) \(ref)"))
    }

    /// - Parameter fieldManager: under which the API server records the change; a server-side apply names its own.
    package func patch(
        _ resource: Resource, _ ref: ObjectRef, subresource: String? = nil, _ patch: Patch,
        fieldManager: String = KubeClient.fieldManager
    ) async throws(KubeError) -> ObjectMeta {
        let body: Body =
            switch patch {
            case .merge(let body): .bytes(body, contentType: patch.contentType)
            case .apply(let body, _, _): .secret(body, contentType: patch.contentType)
            case .json(let operations): .secret(operations.body, contentType: patch.contentType)
            }
        let what = subresource.map { "\($0) of " } ?? ""
        return try await write(
            Request(
                method: .patch,
                path: resource.path(namespace: ref.namespace, name: ref.name, subresource: subresource),
                query: patch.query.isEmpty ? [("fieldManager", fieldManager)] : patch.query,
                body: body, activity: "patching \(what)\(resource.kind) \(ref)"))
    }

    /// An object that is gone already is `notFound`; one that `preconditions` do not describe, `conflict`.
    package func delete(
        _ resource: Resource, _ ref: ObjectRef, preconditions: DeletePreconditions? = nil,
        propagation: DeletionPropagation? = nil
    ) async throws(KubeError) {
        let activity = "deleting \(resource.kind) \(ref)"
        let options = DeleteOptions(preconditions: preconditions, propagationPolicy: propagation)
        guard let body = try? JSONEncoder().encode(options) else {
            throw KubeError(.badRequest, activity: activity, message: "the options cannot be encoded")
        }
        // Some deletions answer with the object itself; metadata is enough of it.
        try await perform(
            Request(
                method: .delete, path: resource.path(namespace: ref.namespace, name: ref.name),
                accept: "\(MediaType.metadata),\(MediaType.json)",
                body: .bytes(Array(body), contentType: MediaType.json), activity: activity)
        ) { _ in }
    }

    private func write(_ call: Request) async throws(KubeError) -> ObjectMeta {
        var call = call
        call.accept = MediaType.metadata
        call.maximumResponseSize = Self.maximumMetadataSize
        return try await perform(call, PartialObjectMetadata.self).metadata
    }
}
