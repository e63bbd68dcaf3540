import YAML

/// One kubeconfig, or several that are merged as kubectl does it: whichever file sets a value first wins, and
/// an entry of a list is taken whole, by its name, from the first file that has it.
///
/// Source: kubeconfig (v1); "Organizing Cluster Access Using kubeconfig Files", Merging kubeconfig files.
struct Kubeconfig {
    private(set) var currentContext: String?
    private(set) var clusters: [String: KubeconfigFields] = [:]
    private(set) var users: [String: KubeconfigFields] = [:]
    private(set) var contexts: [String: KubeconfigFields] = [:]
    /// Those that were there, for errors.
    private(set) var files: [String] = []

    var isEmpty: Bool { clusters.isEmpty && users.isEmpty && contexts.isEmpty && currentContext == nil }

    /// - Parameter files: absolute paths, or relative ones to the working folder; those that are not there are
    ///   left out.
    init(files: [String]) throws(ConfigurationError) {
        for file in files where !CredentialFile.isMissing(file) && !self.files.contains(file) {
            try merge(file)
            self.files.append(file)
        }
    }

    private mutating func merge(_ file: String) throws(ConfigurationError) {
        let bytes = try CredentialFile.read(file, for: "the kubeconfig")
        let documents: [YAMLNode]
        do throws(YAMLError) {
            documents = try YAMLReader.documents(in: bytes, source: file)
        } catch {
            throw ConfigurationError(.invalid, "\(error)")
        }
        // As for kubectl, an empty file is a kubeconfig without entries.
        guard let root = documents.first else { return }
        guard documents.count == 1, root.entries != nil else {
            throw ConfigurationError(
                .invalid, "\(file): is no kubeconfig; expected one mapping with kind: Config")
        }
        let fields = KubeconfigFields(node: root, file: file, path: "")
        guard try fields.string("kind") ?? "Config" == "Config" else {
            throw fields.error(.invalid, "kind", "is not Config; is this a kubeconfig?")
        }
        if currentContext == nil { currentContext = try fields.string("current-context") }
        try merge("clusters", "cluster", of: fields, into: &clusters)
        try merge("users", "user", of: fields, into: &users)
        try merge("contexts", "context", of: fields, into: &contexts)
    }

    private func merge(
        _ list: String, _ kind: String, of fields: KubeconfigFields,
        into merged: inout [String: KubeconfigFields]
    ) throws(ConfigurationError) {
        var seen: Set<String> = []
        for (index, element) in try fields.list(list).enumerated() {
            let entry = KubeconfigFields(node: element, file: fields.file, path: "\(list)[\(index)]")
            let name = try entry.required("name")
            guard seen.insert(name).inserted else {
                throw entry.error(.invalid, "name", "is there twice in this file; remove one")
            }
            guard merged[name] == nil else { continue }
            let body = try entry.mapping(kind)?.node ?? YAMLNode(.mapping([]), mark: element.range)
            merged[name] = KubeconfigFields(
                node: body, file: fields.file, path: "\(list)[\"\(name)\"].\(kind)")
        }
    }
}
