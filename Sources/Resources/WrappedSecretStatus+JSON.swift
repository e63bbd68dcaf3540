package import JSON
package import KubeClient

/// Other writers can write a status too: a field that cannot be decoded counts as absent, and is written again.
extension WrappedSecretStatus: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        self.init()
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "observedGeneration": observedGeneration = try json.readIfValid()
            case "conditions": conditions = try json.readIfValid()
            case "keyID": keyID = try json.readIfValid()
            case "keyVersion": keyVersion = try json.readIfValid()
            case "secret": secret = try json.readIfValid()
            case "rolloutRestart": rolloutRestart = try json.readIfValid()
            case "lastSyncTime": lastSyncTime = try json.readIfValid()
            case "lastVerifiedTime": lastVerifiedTime = try json.readIfValid()
            case "lastHandledSync": lastHandledSync = try json.readIfValid()
            default: break
            }
        }
    }
}

extension WrappedSecretStatus.SecretState: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "name": name = try json.readIfValid()
            case "uid": uid = try json.readIfValid()
            case "resourceVersion": resourceVersion = try json.readIfValid()
            case "generation": generation = try json.readIfValid()
            case "mac": mac = try json.readIfValid()
            case "templateHash": templateHash = try json.readIfValid()
            case "renderVersion": renderVersion = try json.readIfValid()
            default: break
            }
        }
    }
}

extension WrappedSecretStatus.RestartState: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "mac": mac = try json.readIfValid()
            case "templateHash": templateHash = try json.readIfValid()
            case "time": time = try json.readIfValid()
            default: break
            }
        }
    }
}

extension WrappedSecretStatus {
    /// Writes the fields that have a value.
    package func write(to json: inout JSONSecretWriter) {
        json.beginObject()
        json.optionalMember("observedGeneration", observedGeneration)
        if let conditions { conditions.write(to: &json) }
        json.optionalMember("keyID", keyID)
        json.optionalMember("keyVersion", keyVersion)
        if let secret {
            json.key("secret")
            secret.write(to: &json)
        }
        if let rolloutRestart {
            json.key("rolloutRestart")
            rolloutRestart.write(to: &json)
        }
        json.optionalMember("lastSyncTime", lastSyncTime)
        json.optionalMember("lastVerifiedTime", lastVerifiedTime)
        json.optionalMember("lastHandledSync", lastHandledSync)
        json.endObject()
    }
}

extension WrappedSecretStatus.SecretState {
    fileprivate func write(to json: inout JSONSecretWriter) {
        json.beginObject()
        json.optionalMember("name", name)
        json.optionalMember("uid", uid)
        json.optionalMember("resourceVersion", resourceVersion)
        json.optionalMember("generation", generation)
        json.optionalMember("mac", mac)
        json.optionalMember("templateHash", templateHash)
        json.optionalMember("renderVersion", renderVersion.map(Int64.init))
        json.endObject()
    }
}

extension WrappedSecretStatus.RestartState {
    fileprivate func write(to json: inout JSONSecretWriter) {
        json.beginObject()
        json.optionalMember("mac", mac)
        json.optionalMember("templateHash", templateHash)
        json.optionalMember("time", time)
        json.endObject()
    }
}
