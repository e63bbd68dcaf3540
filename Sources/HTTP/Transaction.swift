import Cryptography
import HTTPTypes

/// One request on its way: what the task that asked and the lane's thread share.
protocol Transaction: AnyObject, Sendable {
    var plan: TransferPlan { get }

    /// Whether the asking side wants no more of it. Any thread.
    var isCancelled: Bool { get }

    // What follows is called by the lane's thread alone, in this order, `ended` exactly once.

    /// Returns why to give up, if so.
    func received(_ head: HTTPResponseHead) -> HTTPError?
    func received(_ bytes: UnsafeRawBufferPointer) -> ReceiveResult
    /// The transfer is over and libcurl has let go of everything. nil: the response is complete.
    func ended(_ error: HTTPError?)
}

enum ReceiveResult {
    case consumed
    /// Offer the same bytes again when the lane is signalled.
    case pause
    case reject(HTTPError)
}

/// A request that was checked, with all that sending it takes.
struct TransferPlan: Sendable {
    let request: HTTPClientRequest
    let target: RequestTarget
    let settings: ClientSettings
    let activity: String
    let proxy: String
    /// The CAs that count for this request, PEM; nil: those that libcurl was built with.
    let trustedCertificates: SharedSecret?
    let deadline: ContinuousClock.Instant?

    init(_ request: HTTPClientRequest, _ settings: ClientSettings) throws(HTTPError) {
        target = try RequestTarget(request.url, serverName: settings.configuration.serverName)
        activity = "\(request.method.rawValue) \(target.origin)"
        try settings.validate(request, target, activity: activity)
        trustedCertificates =
            target.scheme == "https" ? try settings.trustedCertificates(activity: activity) : nil
        self.request = request
        self.settings = settings
        proxy = try settings.proxy(for: target, activity: activity)
        deadline = request.timeout.map { .now + $0 }
    }

    func error(_ code: HTTPError.Code, _ detail: String? = nil) -> HTTPError {
        HTTPError(code, activity: activity, detail: detail)
    }
}
