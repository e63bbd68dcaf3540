import CCurl
import Cryptography
import HTTPTypes

/// A transaction while libcurl works on it: an easy handle with its options and callbacks. Only the pool's thread uses
/// it, and the pool keeps it alive while libcurl has its address.
final class Transfer {
    let transaction: any Transaction
    let easy: EasyHandle
    private unowned let pool: ConnectionPool
    private let headers: HeaderList
    private let route: HeaderList
    private var parser = HeadParser()
    /// The reason why a callback aborted the transfer, which is more exact than libcurl's result.
    private var abortReason: HTTPError?
    private var isPaused = false
    /// True if the transfer was aborted before anything was sent, because the request must not go over its connection.
    private(set) var isRefused = false
    let started = ContinuousClock.now
    private var lastByte = ContinuousClock.now

    private var plan: TransferPlan { transaction.plan }

    /// - Parameter offer: The versions of HTTP that the request offers.
    init(
        _ transaction: any Transaction, _ easy: EasyHandle, _ offer: RequestScheduler<ObjectIdentifier>.Offer,
        on pool: ConnectionPool
    ) {
        self.transaction = transaction
        self.pool = pool
        self.easy = easy
        headers = Self.headers(for: transaction.plan)
        var route = HeaderList()
        if let connectTo = transaction.plan.target.connectTo { route.append(connectTo) }
        self.route = route

        plan.settings.apply(to: easy, trusting: plan.trustedCertificates)
        easy.set(CURLOPT_URL, plan.target.url)
        easy.set(CURLOPT_CONNECT_TO, pointer: self.route.list)
        easy.set(CURLOPT_PROXY, plan.proxy)
        easy.set(CURLOPT_HTTPHEADER, pointer: headers.list)
        if !headers.isComplete || !self.route.isComplete { easy.record(CURLE_OUT_OF_MEMORY) }
        setVersion(offer)
        setMethodAndBody()

        let address = Unmanaged.passUnretained(self).toOpaque()
        easy.set(CURLOPT_PRIVATE, pointer: address)
        easy.set(CURLOPT_HEADERDATA, pointer: address)
        easy.set(CURLOPT_WRITEDATA, pointer: address)
        easy.set(CURLOPT_HEADERFUNCTION, callback: headerLine)
        easy.set(CURLOPT_WRITEFUNCTION, callback: bodyBytes)
        easy.record(sb_easy_set_prereq(easy.raw, prerequest, address))
    }

    /// Returns the transfer that a libcurl handle belongs to.
    static func of(_ easy: UnsafeMutableRawPointer) -> Transfer? {
        var address: UnsafeMutableRawPointer?
        guard sb_easy_get_pointer(easy, CURLINFO_PRIVATE, &address) == CURLE_OK else { return nil }
        return at(address)
    }

    fileprivate static func at(_ address: UnsafeMutableRawPointer?) -> Transfer? {
        address.map { Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
    }

    private static func headers(for plan: TransferPlan) -> HeaderList {
        var headers = HeaderList()
        for field in plan.request.fields { headers.append(field) }
        for field in plan.request.secretFields { headers.append(field) }
        if let authority = plan.target.authority { headers.append("Host: \(authority)") }
        // Suppress the fields that libcurl adds by itself.
        headers.append("Expect:")
        if plan.request.fields[.contentType] == nil { headers.append("Content-Type:") }
        return headers
    }

    private func setVersion(_ offer: RequestScheduler<ObjectIdentifier>.Offer) {
        easy.set(CURLOPT_HTTP_VERSION, Int(offer == .http1 ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS))
        easy.set(CURLOPT_FRESH_CONNECT, offer == .newConnection)
        if plan.request.mode == .unary, plan.settings.configuration.acceptsCompression {
            easy.set(CURLOPT_ACCEPT_ENCODING, "gzip")
        }
    }

    private func setMethodAndBody() {
        let method = plan.request.method
        switch plan.request.body {
        case .none where method == .get: easy.set(CURLOPT_HTTPGET, true)
        case .none where method == .head: easy.set(CURLOPT_NOBODY, true)
        case .none where method != .post && method != .put && method != .patch:
            easy.set(CURLOPT_HTTPGET, true)
            easy.set(CURLOPT_CUSTOMREQUEST, method.rawValue)
        case .none: setBody(method, CURLOPT_COPYPOSTFIELDS, UnsafeRawBufferPointer(start: nil, count: 0))
        case .bytes(let bytes): bytes.withUnsafeBytes { setBody(method, CURLOPT_COPYPOSTFIELDS, $0) }
        // The memory of a SecretBytes does not move, and the plan keeps it alive.
        case .secret(let secret): secret.bytes.withUnsafeBytes { setBody(method, CURLOPT_POSTFIELDS, $0) }
        }
    }

    private func setBody(_ method: HTTPRequest.Method, _ option: CURLoption, _ bytes: UnsafeRawBufferPointer)
    {
        easy.set(CURLOPT_POST, true)
        easy.set(CURLOPT_CUSTOMREQUEST, method.rawValue)
        easy.set(CURLOPT_POSTFIELDSIZE_LARGE, offset: bytes.count)
        // libcurl would read the body from a callback if it got a null pointer.
        guard let base = bytes.baseAddress, !bytes.isEmpty else {
            return easy.set(CURLOPT_COPYPOSTFIELDS, "")
        }
        easy.set(option, pointer: UnsafeMutableRawPointer(mutating: base))
    }

    // MARK: timeouts and results

    /// The time at which `timeoutError` has to be checked next.
    var nextDeadline: ContinuousClock.Instant? {
        let idle = isPaused ? nil : plan.request.idleTimeout.map { lastByte + $0 }
        guard let deadline = plan.deadline, let idle else { return plan.deadline ?? idle }
        return min(deadline, idle)
    }

    func timeoutError(at now: ContinuousClock.Instant) -> HTTPError? {
        let phase = parser.head == nil ? "no response head" : "the body is incomplete"
        if let deadline = plan.deadline, let timeout = plan.request.timeout, now >= deadline {
            return plan.error(.timedOut, "\(phase) after \(timeout)")
        }
        if !isPaused, let idle = plan.request.idleTimeout, now >= lastByte + idle {
            return plan.error(.idleTimedOut, "\(phase), and no byte arrived for \(idle)")
        }
        return nil
    }

    /// Resumes the transfer after `.pause`. libcurl may call back before this returns.
    func resume() {
        guard isPaused else { return }
        isPaused = false
        lastByte = .now
        easy.record(curl_easy_pause(easy.raw, CURLPAUSE_CONT))
    }

    /// Returns the transaction's error for libcurl's `result`, or nil if the response is complete.
    func error(_ result: CURLcode) -> HTTPError? {
        if let abortReason { return abortReason }
        guard result != CURLE_OK else {
            return parser.head == nil ? plan.error(.connectionClosed, "the response head is incomplete") : nil
        }
        var code = HTTPError.Code(result)
        // libcurl reports an untrusted chain and a wrong name alike. For a wrong name, OpenSSL's result for the chain is
        // X509_V_OK (0), or libcurl has not copied it yet (1).
        if code == .certificateUntrusted, (0...1).contains(easy.info(CURLINFO_SSL_VERIFYRESULT)) {
            code = .certificateNameMismatch
        }
        // libcurl reports a refused CONNECT as a failed read.
        if case let status = easy.info(CURLINFO_HTTP_CONNECTCODE), status != 0, !(200..<300).contains(status)
        {
            code = .proxyFailed
        }
        return plan.error(code, easy.errorMessage(for: result))
    }

    // MARK: libcurl's callbacks

    /// - Returns: false to abort the transfer.
    fileprivate func connectionReady() -> Bool {
        isRefused = !pool.connectionReady(self)
        return !isRefused
    }

    /// - Returns: false to abort the transfer.
    fileprivate func header(_ line: UnsafeRawBufferPointer) -> Bool {
        lastByte = .now
        guard parser.head == nil else { return true }
        switch parser.consume(line) {
        case .more: break
        case .complete:
            abortReason = parser.head.flatMap { transaction.received($0) }
        case .tooLarge:
            abortReason = plan.error(
                .responseTooLarge, "the limit for the response head is \(HeadParser.maximumBytes) bytes")
        case .malformed: abortReason = plan.error(.protocolError, "the response head is malformed")
        }
        return abortReason == nil
    }

    fileprivate func body(_ bytes: UnsafeRawBufferPointer) -> Int {
        lastByte = .now
        pool.received(byteCount: bytes.count)
        switch transaction.received(bytes) {
        case .consumed: return bytes.count
        case .pause:
            isPaused = true
            return Int(CURL_WRITEFUNC_PAUSE)
        case .reject(let error):
            abortReason = error
            return bytes.count &+ 1
        }
    }
}

/// libcurl calls this before it sends each request, once the request's connection, new or reused, is ready.
private func prerequest(
    _ context: UnsafeMutableRawPointer?, _ peer: UnsafeMutablePointer<CChar>?,
    _ local: UnsafeMutablePointer<CChar>?, _ peerPort: Int32, _ localPort: Int32
) -> Int32 {
    Transfer.at(context)?.connectionReady() == false ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK
}

private func headerLine(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    let length = size * count
    let line = UnsafeRawBufferPointer(start: bytes, count: length)
    return Transfer.at(context)?.header(line) == true ? length : length &+ 1
}

private func bodyBytes(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    Transfer.at(context)?.body(UnsafeRawBufferPointer(start: bytes, count: size * count)) ?? 0
}
