package import Cryptography
import FoundationEssentials
import HTTP
import HTTPTypes
import System

/// The API verbs. Writes return only metadata, so that the server does not send a Secret's data. Of that, the identity of
/// the object is read; of a Secret all of it, because its `managedFields` show the time of the write and who owns what. The
/// response to a request for one object has to be about that object.
extension KubeClient {
    /// Reads one object.
    ///
    /// - Parameter maximumBytes: the limit for the response, or nil for the size that an object may have.
    /// - Throws: `.responseTooLarge` if the response exceeds it, and `.transport` if it is another object.
    package func get<Object: KubeObject>(
        _ type: Object.Type, _ ref: ObjectRef, maximumBytes: Int? = nil
    ) async throws(KubeError) -> Object {
        let isMetadata = Object.isMetadataOnly
        var request = readRequest(
            Object.resource, ref, accept: isMetadata ? MediaType.metadata : MediaType.json)
        request.maximumResponseSize =
            maximumBytes ?? (isMetadata ? Self.maximumMetadataSize : Self.maximumObjectSize)
        let object = try await perform(request, type)
        try object.metadata.checkIdentity(ref, activity: request.activity)
        return object
    }

    /// Reads the metadata of an object of any kind.
    package func getMetadata(_ resource: Resource, _ ref: ObjectRef) async throws(KubeError) -> ObjectMeta {
        var request = readRequest(resource, ref, accept: MediaType.metadata)
        request.maximumResponseSize = Self.maximumMetadataSize
        let metadata = try await perform(request, PartialObjectMetadata.self).metadata
        try metadata.checkIdentity(ref, activity: request.activity)
        return metadata
    }

    /// Reads one object as JSON in secret memory, for the few callers that need a Secret's data. They check its identity.
    ///
    /// - Parameter limit: the limit for the response in bytes.
    package func getJSON(
        _ resource: Resource, _ ref: ObjectRef, limit: Int = KubeClient.maximumSecretSize
    ) async throws(KubeError) -> SharedSecret {
        try await connection.open(readRequest(resource, ref), mode: .unary, idleTimeout: nil) { body in
            SharedSecret(try await body.collectSecret(upTo: limit))
        }
    }

    private func readRequest(
        _ resource: Resource, _ ref: ObjectRef, accept: String = MediaType.json
    ) -> Request {
        Request(
            method: .get, path: resource.path(namespace: ref.namespace, name: ref.name), accept: accept,
            activity: "reading \(resource.kind) \(ref)")
    }

    /// Reads one page of a list. Pass its `continueToken` for the next one; `ListPager` reads all pages.
    ///
    /// - Parameter limit: the page has at most this number of objects.
    /// - Throws: `.responseTooLarge` if the page has more than `maximumBytes`.
    package func list<Object: KubeObject>(
        _ type: Object.Type, _ selection: Selection, limit: Int = 500, continueToken: String? = nil,
        maximumBytes: Int = 32 << 20
    ) async throws(KubeError) -> ListPage<Object> {
        let resource = Object.resource
        let activity = "listing \(resource.plural)"
        var query = selection.query + [("limit", String(limit))]
        if let continueToken { query.append(("continue", continueToken)) }
        let request = Request(
            method: .get, path: resource.path(namespace: selection.namespace), query: query,
            accept: Object.isMetadataOnly ? MediaType.metadataList : MediaType.json, activity: activity,
            maximumResponseSize: maximumBytes)
        return try await perform(request) { bytes throws(KubeError) in
            var page = try Self.decode(ListPage<Object>.self, from: bytes, activity: activity)
            page.byteCount = bytes.count
            return page
        }
    }

    /// Creates an object (POST). Fails with `alreadyExists` and leaves an existing object unchanged.
    ///
    /// - Parameter isDryRun: makes the server validate the object without storing it. The metadata is returned whole.
    package func create(
        _ resource: Resource, _ ref: ObjectRef, body: SharedSecret, isDryRun: Bool = false
    ) async throws(KubeError) -> ObjectMeta {
        try await write(
            Request(
                method: .post, path: resource.path(namespace: ref.namespace),
                query: [("fieldManager", Self.fieldManager)] + (isDryRun ? [("dryRun", "All")] : []),
                body: .secret(body, contentType: MediaType.json),
                activity: "creating \(resource.kind) \(ref)"),
            ref, isComplete: isDryRun || resource == .secrets)
    }

    /// - Parameter fieldManager: the field manager of the change. A server-side apply has its own.
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
        let part = subresource.map { "\($0) of " } ?? ""
        return try await write(
            Request(
                method: .patch,
                path: resource.path(namespace: ref.namespace, name: ref.name, subresource: subresource),
                query: patch.query.isEmpty ? [("fieldManager", fieldManager)] : patch.query,
                body: body, activity: "patching \(part)\(resource.kind) \(ref)"),
            ref, isComplete: resource == .secrets)
    }

    /// Deletes an object.
    ///
    /// - Throws: `notFound` if the object does not exist, and `conflict` if it does not meet the preconditions.
    package func delete(
        _ resource: Resource, _ ref: ObjectRef, preconditions: DeletePreconditions? = nil
    ) async throws(KubeError) {
        let activity = "deleting \(resource.kind) \(ref)"
        let options = DeleteOptions(preconditions: preconditions)
        guard let body = try? JSONEncoder().encode(options) else {
            throw KubeError(.badRequest, activity: activity, message: "the options cannot be encoded")
        }
        // Some deletions return the object itself, of which the metadata is enough.
        try await perform(
            Request(
                method: .delete, path: resource.path(namespace: ref.namespace, name: ref.name),
                accept: "\(MediaType.metadata),\(MediaType.json)",
                body: .bytes(Array(body), contentType: MediaType.json), activity: activity)
        ) { _ in }
    }

    /// - Parameter isComplete: True if the caller needs more of the response than the object's identity.
    private func write(
        _ request: Request, _ ref: ObjectRef, isComplete: Bool
    ) async throws(KubeError) -> ObjectMeta {
        var request = request
        request.accept = MediaType.metadata
        request.maximumResponseSize = Self.maximumMetadataSize
        let metadata =
            isComplete
            ? try await perform(request, PartialObjectMetadata.self).metadata
            : try await perform(request, ObjectIdentity.self).metadata
        try metadata.checkIdentity(ref, activity: request.activity)
        return metadata
    }
}

/// The conditions that an object must meet to be deleted.
package struct DeletePreconditions: Encodable, Sendable, Equatable {
    package var uid: String?
    package var resourceVersion: String?

    package init(uid: String? = nil, resourceVersion: String? = nil) {
        self.uid = uid
        self.resourceVersion = resourceVersion
    }
}

private struct DeleteOptions: Encodable {
    let apiVersion = "v1"
    let kind = "DeleteOptions"
    let preconditions: DeletePreconditions?
}

extension ObjectMeta {
    /// Checks that this is the metadata of the object that was asked for. A server, a proxy, or a library that assigns responses
    /// to requests may be wrong, and the state of one object must not become that of another.
    ///
    /// - Throws: `.transport`, so that the request is sent again
    package func checkIdentity(_ expected: ObjectRef, activity: String) throws(KubeError) {
        guard ref != expected else { return }
        throw KubeError(
            .transport, activity: activity,
            message: "the response is about another object, \("\(ref)".sanitizedName)")
    }
}
