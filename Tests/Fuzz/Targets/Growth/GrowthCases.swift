import Cryptography

extension GrowthCase {
    static let all = formats + files + services + hostileFiles

    private static let formats = [
        repeating("json", "strings", upTo: 4 << 20, "[", #""a\u00e9b","#, "0]"),
        repeating("json", "one long string", upTo: 8 << 20, "\"", #"a\n\ud83d\ude00"#, "\""),
        repeating("json", "white space", upTo: 8 << 20, "[", "\n \t", "0]"),
        numbered("json", "members", upTo: 2 << 20, "{", { "\"k\($0)\":\($0)," }, "\"z\":0}"),
        repeating("json-members", "skipped depth", upTo: 8 << 20, #"{"other":"#, #"{"f:x":["#, ""),
        numbered("json-members", "map", upTo: 2 << 20, #"{"map":{"#, { "\"k\($0)\":\"\"," }, #""z":""}}"#),
        numbered("yaml", "keys", upTo: 1 << 20, "", { "k\($0): v\n" }, ""),
        repeating("yaml", "documents", upTo: 1 << 20, "", "---\na: b\n", ""),
        repeating("yaml", "flow", upTo: 1 << 20, "[", "a, ", "b]"),
        repeating("yaml", "comments", upTo: 4 << 20, "a: b\n", "# c\n", ""),
        repeating("yaml", "tags", upTo: 512 << 10, "%TAG !e! tag:e,2000:\n--- \n", "- !e!x a\n", ""),
        repeating("yaml", "aliases", upTo: 512 << 10, "- &a b\n", "- *a\n", ""),
        numbered("yaml", "anchors", upTo: 512 << 10, "", { "- &a\($0) b\n- *a\($0)\n" }, ""),
        repeating("yaml", "folded lines", upTo: 1 << 20, "a: >\n", "  b\n\n", ""),
        repeating("yaml", "line breaks", upTo: 1 << 20, "a: \"", "\n \u{85}\r", "\""),
        repeating("yaml-text", "quoted text", upTo: 512 << 10, "", "a'\"\n\u{1}", ""),
        repeating("base64", "text", upTo: 4 << 20, "", "QUJD", ""),
        repeating("pem", "blocks", upTo: 1 << 20, "", "-----BEGIN A-----\nQQ==\n-----END A-----\n", ""),
        repeating("pem", "joined blocks", upTo: 1 << 20, "", "-----BEGIN A-----\nQQ==\n-----END A-----", ""),
        repeating("pem", "no end", upTo: 1 << 20, "", "-----BEGIN A-----\n", ""),
        repeating("pem", "dashes", upTo: 512 << 10, "-----END ", "-----BEGIN", ""),
        repeating("display-text", "invisible", upTo: 1 << 20, "", "a\u{202E}", ""),
        repeating("display-text", "combining marks", upTo: 1 << 20, "a", "\u{301}", ""),
    ]

    private static let files = [
        list("manifest", "a List", upTo: 1 << 20), documents("manifest", "documents", upTo: 1 << 20),
        list("manifest-edit", "a List", upTo: 1 << 20, choices: 4),
        documents("manifest-edit", "documents", upTo: 1 << 20, choices: 4),
        list("manifest-edit", "all of a List", upTo: 1 << 20, choices: 4, "\u{22}"),
        documents("manifest-edit", "all documents", upTo: 1 << 20, choices: 4, "\u{22}"),
        repeating("secret-manifest", "other documents", upTo: 1 << 20, "", "---\nkind: ConfigMap\n", ""),
        numbered("diff", "changed lines", upTo: 1 << 20, "", { "old \($0)\n" }, "\0new\n"),
        repeating("diff", "equal lines", upTo: 1 << 20, "", "a\nb\n", "\0b\n"),
        halves("diff", "two texts", upTo: 1 << 20) { "line \($0 &* 7919 % 1009)\n" },
        numbered("env-file", "lines", upTo: 1 << 20, "", { "K\($0)=v # c\n" }, ""),
        numbered(
            "rules-file", "rules", upTo: 256 << 10, "version: 1\nrules:\n",
            { "- path: a\($0)/**/b-?.yaml\n  namespace: n\n" }, ""),
        repeating(
            "rules-file", "wildcards", upTo: 128 << 10, "version: 1\nrules:\n", "- {path: \"*?a/**/*b?\"}\n",
            ""),
        repeating("path-pattern", "a long path", upTo: 256 << 10, "a/**/*?*b*c\n", "a/b", ""),
        numbered("git-attributes", "lines", upTo: 1 << 20, "*.yaml\n", { "p\($0) -text\n" }, ""),
        numbered("sealed-secret", "other documents", upTo: 1 << 20, "", { "---\nkind: C\($0)\n" }, ""),
        numbered(
            "kubeconfig", "contexts", upTo: 1 << 20, "kind: Config\ncontexts:\n",
            { "- {name: c\($0), context: {}}\n" }, ""),
    ]

    private static let services = [
        numbered("aws-config", "sections", upTo: 1 << 20, "", { "[profile p\($0)]\nregion=r\n" }, ""),
        numbered("aws-config", "repeated sections", upTo: 1 << 20, "", { "[profile p\($0 % 5000)]\n" }, ""),
        numbered("aws-config", "settings", upTo: 1 << 20, "[default]\n", { "k\($0) = v\n" }, ""),
        repeating("aws-config", "a continued value", upTo: 1 << 20, "[default]\na = b\n", "  c\n", ""),
        numbered(
            "aws-config", "nested settings", upTo: 1 << 20, "[default]\ns3 =\n", { "  k\($0) = v\n" }, ""),
        numbered(
            "aws-config", "a chain of roles", upTo: 1 << 20,
            "[default]\nrole_arn=arn:aws:iam::1:role/abc\nsource_profile=p0\n",
            { "[profile p\($0)]\nrole_arn=arn:aws:iam::1:role/abc\nsource_profile=p\($0 + 1)\n" }, ""),
        repeating("shell-words", "one word", upTo: 1 << 20, "", "é\\a", ""),
        repeating("shell-words", "a quoted word", upTo: 1 << 20, "\"", "a\\b", "\""),
        numbered("aws-sts", "leaves", upTo: 256 << 10, "\0<a>", { "<b\($0)>x&amp;</b\($0)>" }, "</a>"),
        repeating("aws-sts", "comments", upTo: 256 << 10, "\0", "<!-- -->", "<a>x</a>"),
        repeating("aws-sts", "entities", upTo: 256 << 10, "\0<a>", "&amp;&#65;", "</a>"),
        repeating("aws-kms", "tags", upTo: 1 << 20, "\0\0", "<Code", ""),
        repeating("www-authenticate", "challenges", upTo: 1 << 20, "", #"Bearer a="\"",,"#, ""),
        repeating(
            "vault", "results", upTo: 1 << 20, "\0\u{4}{\"data\":{\"batch_results\":[",
            #"{"plaintext":"AAAA"},"#, "{}]}}"),
        repeating("http-head", "fields", upTo: 256 << 10, "HTTP/1.1 200 OK\r\n", "a: b\r\n", "\r\n"),
        repeating("http-lines", "lines", upTo: 256 << 10, "\u{5}\u{7F}", "a\n", ""),
        repeating("http-lines", "one line", upTo: 256 << 10, "\u{5}\u{7F}", "ab", ""),
        repeating(
            "admin-request", "a head without an end", upTo: 8 << 10, "\u{7F}GET / HTTP/1.1\r\n", "a: b\r\n",
            ""),
        numbered(
            "proxy", "exceptions", upTo: 256 << 10, "http://p:1\n", { "h\($0).example.com," }, "\nh.test"),
        repeating("url", "a path", upTo: 256 << 10, "https://h/", "a/../", ""),
        repeating("label-selector", "requirements", upTo: 256 << 10, "", "a=b,", "c"),
        repeating("label-selector", "a set", upTo: 256 << 10, "a in (", "b,", "c)"),
        repeating("template", "references", upTo: 64 << 10, "", "{{ .user }} ", ""),
        repeating("template", "trimmed space", upTo: 64 << 10, "", " {{- .user -}} ", ""),
        repeating("template", "unclosed", upTo: 64 << 10, "", "{{ .a | json ", ""),
        numbered(
            "wrapped-secret", "labels", upTo: 1 << 20, #"{"metadata":{"name":"a","labels":{"#,
            { "\"l\($0)\":\"v\"," }, #""z":""}}}"#),
        repeating(
            "list", "items", upTo: 1 << 20, #"{"metadata":{},"items":["#, #"{"metadata":{"name":"a"}},"#,
            "{}]}"),
        repeating(
            "watch", "events", upTo: 256 << 10, "\u{7F}",
            #"{"type":"DELETED","object":{"metadata":{"name":"a"}}}"# + "\n", ""),
        repeating("aws-signature", "a query", upTo: 256 << 10, "https://h/?", "b=%7e&", ""),
        repeating(
            "status", "causes", upTo: 1 << 20, #"{"reason":"Invalid","details":{"causes":["#,
            #"{"field":"f"},"#, "{}]}}"),
    ]

    // MARK: shapes

    private static func repeating(
        _ target: String, _ name: String, upTo maximum: Int, _ start: String, _ part: String, _ end: String
    ) -> GrowthCase {
        numbered(target, name, upTo: maximum, start, { _ in part }, end)
    }

    private static func numbered(
        _ target: String, _ name: String, upTo maximum: Int, _ start: String,
        _ part: @escaping @Sendable (Int) -> String, _ end: String
    ) -> GrowthCase {
        GrowthCase(target: target, name: name, maximum: maximum) { size in
            var input = Array(start.utf8)
            var index = 0
            while input.count < size {
                input += Array(part(index).utf8)
                index += 1
            }
            return input + Array(end.utf8)
        }
    }

    /// Two texts of the same lines in another order, for a diff.
    private static func halves(
        _ target: String, _ name: String, upTo maximum: Int, _ line: @escaping @Sendable (Int) -> String
    ) -> GrowthCase {
        GrowthCase(target: target, name: name, maximum: maximum) { size in
            let count = size / 20
            let old = (0..<count).map(line).joined()
            let new = (0..<count).map { line($0 &+ 3) }.joined()
            return Array((old + "\0" + new).utf8)
        }
    }

    /// - Parameters:
    ///   - choices: The number of bytes from which the target takes its decisions.
    ///   - choice: Each of them.
    private static func list(
        _ target: String, _ name: String, upTo maximum: Int, choices: Int = 0, _ choice: String = "\u{2}"
    ) -> GrowthCase {
        let start = String(repeating: choice, count: choices) + "apiVersion: v1\nkind: List\nitems:\n"
        return repeating(target, name, upTo: maximum, start, "- \(ObjectSeeds.object)\n", "")
    }

    private static func documents(
        _ target: String, _ name: String, upTo maximum: Int, choices: Int = 0, _ choice: String = "\u{2}"
    ) -> GrowthCase {
        let start = String(repeating: choice, count: choices)
        return repeating(target, name, upTo: maximum, start, "---\n\(ObjectSeeds.object)\n", "")
    }
}
