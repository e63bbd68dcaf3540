import Envelope
package import JSON
package import KubeClient

/// Reads providers as the API server sends them. Unknown fields are skipped; values are checked by the backend.
extension ClusterKeyProvider {
    package init(json: inout JSONReader) throws(JSONError) {
        var metadata: ObjectMeta?
        var spec: Spec?
        var status: KeyProviderStatus?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "metadata": metadata = try ObjectMeta(json: &json, .withoutManagedFields)
            case "spec": spec = try json.read()
            case "status": status = try json.readIfValid()
            default: break
            }
        }
        self.metadata = try json.require(metadata, "metadata")
        self.spec = try json.require(spec, "spec")
        self.status = status
    }
}

extension ClusterKeyProvider.Spec: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        self.init()
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "identity": identity = try json.readOptional()
            case "namespaces": namespaces = try json.readOptional()
            case "allowClusterScope": allowClusterScope = try json.readOptional() ?? false
            case "keyProviders": keyProviders = try json.readOptional()
            default:
                let section = try key.text()
                guard let backend = ProviderBackendFields.all.first(where: { $0.section == section })?.backend
                else { break }
                let values: [String: String] = try json.read()
                backends.append(KeyProviderSettings(backend: backend, values: values))
            }
        }
    }
}

extension ClusterKeyProvider.Identity: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        var audience, serviceAccountName: String?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "audience": audience = try json.read()
            case "serviceAccountName": serviceAccountName = try json.readOptional()
            default: break
            }
        }
        self.audience = try json.require(audience, "audience")
        self.serviceAccountName = serviceAccountName
    }
}

extension ClusterKeyProvider.Namespaces: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "names": names = try json.readOptional()
            case "selector":
                try json.readObject { key, json throws(JSONError) in
                    if case "matchLabels" = key { matchLabels = try json.readOptional() }
                }
            default: break
            }
        }
    }
}

extension ClusterKeyProvider.AllowedOverrides: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "keys": keys = try json.readOptional()
            case "mounts": mounts = try json.readOptional()
            case "roles": roles = try json.readOptional()
            default: break
            }
        }
    }
}

extension KeyProvider {
    package init(json: inout JSONReader) throws(JSONError) {
        var metadata: ObjectMeta?
        var spec: Spec?
        var status: KeyProviderStatus?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "metadata": metadata = try ObjectMeta(json: &json, .withoutManagedFields)
            case "spec": spec = try json.read()
            case "status": status = try json.readIfValid()
            default: break
            }
        }
        self.metadata = try json.require(metadata, "metadata")
        self.spec = try json.require(spec, "spec")
        self.status = status
    }
}

extension KeyProvider.Spec: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        var clusterKeyProvider, serviceAccountName, key, mount, role: String?
        try json.readObject { name, json throws(JSONError) in
            switch name {
            case "clusterKeyProvider": clusterKeyProvider = try json.read()
            case "serviceAccountName": serviceAccountName = try json.read()
            case "key": key = try json.readOptional()
            case "mount": mount = try json.readOptional()
            case "role": role = try json.readOptional()
            default: break
            }
        }
        self.clusterKeyProvider = try json.require(clusterKeyProvider, "clusterKeyProvider")
        self.serviceAccountName = try json.require(serviceAccountName, "serviceAccountName")
        (self.key, self.mount, self.role) = (key, mount, role)
    }
}

/// Other writers can write a status too: a field that cannot be decoded counts as absent.
extension KeyProviderStatus: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        self.init()
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "observedGeneration": observedGeneration = try json.readIfValid()
            case "conditions": conditions = try json.readIfValid()
            case "keyID": keyID = try json.readIfValid()
            case "reporter": reporter = try json.readIfValid()
            default: break
            }
        }
    }
}

extension KeyProviderStatus {
    /// Writes the fields that have a value.
    package func write(to json: inout JSONSecretWriter) {
        json.beginObject()
        json.optionalMember("observedGeneration", observedGeneration)
        if let conditions { conditions.write(to: &json) }
        json.optionalMember("keyID", keyID)
        json.optionalMember("reporter", reporter)
        json.endObject()
    }
}
