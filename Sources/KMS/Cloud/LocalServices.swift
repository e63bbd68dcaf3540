import HTTP

/// The services of a cloud on this node, which give out credentials of the machine or pod.
enum LocalServices {
    /// The HTTP client of all keys of this process. A proxy would see the tokens, and would reach the services of its own node.
    static let transport = CurlClient(configuration)

    static let configuration = HTTPClientConfiguration(
        proxy: .none, plainHTTP: .always, connectTimeout: .seconds(2))
}
