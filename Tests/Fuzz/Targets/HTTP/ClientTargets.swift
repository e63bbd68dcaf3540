import Foundation
import HTTPTypes

@testable import HTTP

extension FuzzTarget {
    static let clientTargets = [
        FuzzTarget(
            "http-head",
            seeds: Seeds.texts(
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nRetry-After: 9\r\n\r\n",
                "HTTP/2 100 \r\n\r\nHTTP/2 429\r\na: b \r\n\r\n"),
            check: checkHead),
        FuzzTarget("http-lines", seeds: Seeds.texts("\u{5}\u{FF}one\ntwo\r\n\nthree"), check: checkLines),
        FuzzTarget(
            "retry-after", maximumLength: 256,
            seeds: Seeds.texts("120", "Sun, 06 Nov 1994 08:49:37 GMT", "9223372036854775807"),
            check: checkRetryAfter),
        FuzzTarget(
            "url", maximumLength: 1024,
            seeds: Seeds.texts(
                "https://api.test:6443/api?watch=1", "https://[::1]:443/\nname.test", "http://h:1/\n[::2]",
                "https://10.0.0.1\nh"),
            check: checkURL),
        FuzzTarget(
            "proxy", maximumLength: 1024,
            seeds: Seeds.texts(
                "http://u:p%40@proxy:3128\n10.0.0.0/8,.example.com,*.a.b:443,[::1]\nhost.example.com",
                "socks5://h\n*\n::1", "https://[::1]:1\n::ffff:10.0.0.0/104\n10.1.2.3"),
            check: checkProxy),
    ]
}

/// The lines arrive as libcurl passes them.
@Sendable private func checkHead(_ input: [UInt8]) throws {
    var parser = HeadParser()
    var outcome = HeadParser.Outcome.more
    for line in input.split(separator: 0x0A, omittingEmptySubsequences: false) where outcome == .more {
        outcome = (Array(line) + [0x0A]).withUnsafeBytes { parser.consume($0) }
    }
    try require(
        (outcome == .complete) == (parser.head != nil), "\(outcome), but a head: \(parser.head != nil)")
    guard let head = parser.head else { return }
    try require(head.status.code == 101 || 200...999 ~= head.status.code, "status \(head.status.code)")
    for field in head.fields {
        let isLine = !field.value.utf8.contains { [0x0A, 0x0D, 0].contains($0) }
        try require(isLine, "a value of two lines: \(field.value.debugDescription)")
    }
    let delay = head.fields[.retryAfter].flatMap { RetryAfter.delay($0, now: 1_700_000_000) }
    try require(delay.map { $0 >= .zero } ?? true, "a negative delay")
}

/// The lines do not depend on the chunks, and those within the limit are the bytes between line feeds.
@Sendable private func checkLines(_ input: [UInt8]) throws {
    var choices = InputChoices(input)
    let seed = Int(choices.byte())
    let limit = Int(choices.byte()) % 64 + 1
    let bytes = choices.remaining
    func lines(_ size: (Int) -> Int) -> [LineFramer.Line] {
        var framer = LineFramer(maximumLength: limit)
        var lines: [LineFramer.Line] = []
        var (start, step) = (0, 0)
        while start < bytes.count {
            let end = min(start + max(size(step), 1), bytes.count)
            lines += framer.append(Array(bytes[start..<end]))
            (start, step) = (end, step + 1)
        }
        return lines + [framer.finish()].compactMap(\.self)
    }
    let whole = lines { _ in bytes.count }
    try require(lines { _ in 1 } == whole, "other lines byte by byte")
    try require(lines { (seed &* ($0 | 1)) % 17 } == whole, "other lines in chunks")
    var expected = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map { Array($0) }
    if expected.last?.isEmpty == true { expected.removeLast() }
    try require(whole.count == expected.count, "\(whole.count) lines of \(expected.count)")
    for (line, bytes) in zip(whole, expected) {
        let isCorrect =
            bytes.count <= limit
            ? line == .complete(bytes)
            : line == .tooLong(prefix: Array(bytes.prefix(limit)), length: bytes.count)
        try require(isCorrect, "line of \(bytes.count) bytes with the limit \(limit)")
    }
}

/// A delay is not negative, and a date is that of timegm(3).
@Sendable private func checkRetryAfter(_ input: [UInt8]) throws {
    let text = input.text
    if let delay = RetryAfter.delay(text, now: 1_700_000_000) {
        try require(delay >= .zero, "negative")
        // As callers use it.
        try require(min(delay, .seconds(60)) <= .seconds(60), "order")
    }
    guard let date = RetryAfter.date(text) else { return }
    let words = text.split(separator: " ").map(String.init)
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    let time = words.count == 6 ? words[4].split(separator: ":").compactMap { Int32($0) } : []
    guard time.count == 3, let day = Int32(words[1]), let month = months.firstIndex(of: words[2]),
        let year = Int32(words[3])
    else { return }
    var parts = tm()
    (parts.tm_year, parts.tm_mon, parts.tm_mday) = (year - 1900, Int32(month), day)
    (parts.tm_hour, parts.tm_min, parts.tm_sec) = (time[0], time[1], time[2])
    let expected = timegm(&parts)
    try require(
        year < 1 || expected == date, "\(text.debugDescription) is \(date), and \(expected) to timegm")
}

/// An accepted URL has a scheme, a host and a port, and nothing that breaks a line of a request or a message.
@Sendable private func checkURL(_ input: [UInt8]) throws {
    let parts = InputChoices(input).lines(2)
    let result = outcome { () throws(HTTPError) in
        try RequestTarget(parts[0], serverName: parts.count > 1 ? parts[1] : nil)
    }
    switch result {
    case .success(let target):
        try require(["http", "https"].contains(target.scheme), "scheme \(target.scheme)")
        try require(!target.host.isEmpty && 0...65535 ~= target.port, "host or port of \(target.origin)")
        for text in [target.origin, target.authority ?? "", target.connectTo ?? "", target.host] {
            try requireMessage(text)
        }
        // Messages name the origin: the URL is in the request alone.
        try requireMessage(target.url, maximumLength: .max)
        _ = IPAddress.isLoopback(host: target.host)
    case .failure(let error): try requireMessage(error.description)
    }
    if let address = IPAddress(parts[0]) {
        try require(address.belongsTo(address, bits: address.bytes.count * 8), "an address outside of itself")
        try require(
            parts[0].utf8.allSatisfy { 0x20 < $0 && $0 < 0x7F }, "an address of \(parts[0].debugDescription)")
    }
}

/// A proxy is a URL that libcurl reads, and messages do not quote a password.
@Sendable private func checkProxy(_ input: [UInt8]) throws {
    let parts = InputChoices(input).lines(3)
    let host = parts.count > 2 ? parts[2] : ""
    let proxies = ProxyEnvironment([
        "https_proxy": parts[0], "no_proxy": parts.count > 1 ? parts[1] : "", "ALL_PROXY": "socks5://all:1",
    ])
    for (scheme, port) in [("https", 443), ("http", 80), ("https", Int.max)] {
        let result = outcome { () throws(ProxyEnvironment.InvalidVariable) in
            try proxies.proxy(scheme: scheme, host: host, port: port)
        }
        switch result {
        case .success(let url):
            try requireMessage(url ?? "")
            if let url, scheme == "https" { try requireReadable(url) }
        case .failure(let error): try requireMessage(error.description)
        }
    }
}

/// The host that libcurl connects to is the one after the last @, as in Go.
private func requireReadable(_ url: String) throws {
    let text = url.contains("://") ? url : "http://\(url)"
    // Foundation decodes the zone of an address.
    guard let parts = URLComponents(string: text), !text.contains("%25") else { return }
    let authority = text.drop { $0 != "/" }.dropFirst(2).prefix { !"/?#".contains($0) }
    let host = authority[
        (authority.lastIndex(of: "@").map { authority.index(after: $0) } ?? authority.startIndex)...]
    try require(
        parts.host.map { host.hasPrefix($0) || host.hasPrefix("[\($0)") } ?? true,
        "Foundation reads another host in \(text)")
}
