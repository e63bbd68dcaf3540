import Foundation

@testable import Serving

extension FuzzTarget {
    static let serverTargets = [
        FuzzTarget(
            "admin-request", maximumLength: 9000,
            seeds: Seeds.texts(
                choices: 1, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /healthz?verbose HTTP/1.0\n\n",
                "POST / HTTP/1.1\r\n\r\n", "GET x\r\n\r\n"),
            check: checkRequest),
        FuzzTarget(
            "listen-address", maximumLength: 256,
            seeds: Seeds.texts(
                ":8080", "127.0.0.1:0", "[::1]:65535", "[::ffff:1.2.3.4]:1", "127.0.0.1\0x:80"),
            check: checkListenAddress),
    ]
}

/// A decided head stays as it is, whatever follows, and arrives equal in pieces.
@Sendable private func checkRequest(_ input: [UInt8]) throws {
    var choices = InputChoices(input)
    let step = Int(choices.byte()) + 1
    let bytes = choices.remaining
    let whole = RequestHead(bytes)
    var searched = 0
    var decided: RequestHead?
    for end in stride(from: step, to: bytes.count + step, by: step) {
        let count = min(end, bytes.count)
        let head = RequestHead(Array(bytes[..<count]), alreadySearched: searched)
        if head != .incomplete {
            decided = head
            break
        }
        searched = count
    }
    if bytes.count < RequestHead.maximumCount {
        try require(
            (decided ?? .incomplete) == whole, "\(String(describing: decided)) in pieces, and \(whole)")
    }
    let cache = ResponseCache { _ in AdminResponse("text\n") }
    let response = cache.bytes(for: whole).text
    let expected =
        switch whole {
        case .get, .head: "HTTP/1.1 200 "
        case .other: "HTTP/1.1 405 "
        case .malformed, .incomplete: "HTTP/1.1 400 "
        }
    try require(response.hasPrefix(expected), "\(whole): \(response)")
    if case .head = whole { try require(response.hasSuffix("\r\n\r\n"), "a body for HEAD") }
    if case .get(let request) = whole { try require(request.path.hasPrefix("/"), "path \(request.path)") }
}

/// An accepted address has only characters of addresses, and is itself when it is written.
@Sendable private func checkListenAddress(_ input: [UInt8]) throws {
    guard let address = ListenAddress(input.text) else { return }
    try require(ListenAddress(address.description) == address, "\(address) is another address")
    try require(
        input.allSatisfy { "0123456789abcdefABCDEF.:[]%".utf8.contains($0) },
        "accepted \(input.text.debugDescription)")
}
