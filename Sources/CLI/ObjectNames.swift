import Envelope

/// Names out of clusters and files before they become parts of paths, URLs and commands. An API server that is not
/// honest, and a file, can hold any text.
enum ObjectNames {
    /// - Throws: `InputError` if the namespace is not a DNS label, or the name not a DNS subdomain.
    static func check(namespace: String?, name: String, _ source: String) throws(InputError) {
        do throws(EnvelopeError) {
            if let namespace { try EnvelopeValidation.check(namespace: namespace) }
            try EnvelopeValidation.check(secretName: name)
        } catch {
            throw InputError(source, error.description)
        }
    }
}
