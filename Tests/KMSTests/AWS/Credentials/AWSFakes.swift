import Foundation
import System
import TestSupport
import Testing

@testable import KMS

/// A strict instance metadata service of version 2 only.
final class FakeInstanceMetadata: Sendable {
    struct State: Sendable {
        var role: String? = "node-role"
        var credentials = instanceCredentials("INSTANCE1")
        /// True if issued tokens are still valid.
        var tokens: Set<String> = []
        var answersPUT = true
        var status = 200
    }

    let state: Locked<State>
    let requests: Recorder<String>
    private let server: FakeServer
    var url: String { server.url }

    init(_ initial: State = State()) throws {
        let state = Locked(initial)
        let requests = Recorder<String>()
        server = try FakeServer { connection in
            while let request = connection.readRequest() {
                requests.append(request.line.replacingOccurrences(of: " HTTP/1.1", with: ""))
                if request.line.hasPrefix("PUT"), !state.withLock({ $0.answersPUT }) {
                    // With a hop limit of 1, the response is lost.
                    connection.waitForClose()
                    return
                }
                guard connection.send(Self.answer(request, state)) else { return }
            }
        }
        (self.state, self.requests) = (state, requests)
    }

    private static func answer(_ request: FakeRequest, _ state: Locked<State>) -> String {
        guard request.field("x-forwarded-for") == nil else { return response(403) }
        let words = request.line.split(separator: " ")
        return state.withLock { state in
            if words[1] == "/latest/api/token" {
                guard words[0] == "PUT" else { return response(405) }
                guard
                    let lifetime = request.field("x-aws-ec2-metadata-token-ttl-seconds").flatMap({ Int($0) }),
                    1...21_600 ~= lifetime
                else { return response(400) }
                let token = "TOKEN\(UInt32.random(in: 0 ... .max))=="
                state.tokens.insert(token)
                return response(200, token, "X-aws-ec2-metadata-token-ttl-seconds: \(lifetime)\r\n")
            }
            guard words[0] == "GET", let token = request.field("x-aws-ec2-metadata-token"),
                state.tokens.contains(token)
            else { return response(401) }
            guard state.status == 200 else { return response(state.status) }
            let folder = "/latest/meta-data/iam/security-credentials/"
            guard let role = state.role, words[1].hasPrefix(folder) else { return response(404) }
            switch words[1].dropFirst(folder.count) {
            case "": return response(200, role + "\n")
            case role[...]: return response(200, state.credentials)
            default: return response(404)
            }
        }
    }
}

/// - Parameter expiration: The lifetime in seconds.
func instanceCredentials(_ id: String, _ expiration: Double = 6 * 3600, from date: Date = Date()) -> String {
    let end = date.addingTimeInterval(expiration).formatted(.iso8601)
    return """
        {"Code" : "Success", "LastUpdated" : "2026-01-01T00:00:00Z", "Type" : "AWS-HMAC",
         "AccessKeyId" : "\(id)", "SecretAccessKey" : "secret/\(id)", "Token" : "token/\(id)==",
         "Expiration" : "\(end)"}
        """
}

func response(_ status: Int, _ body: String = "", _ fields: String = "") -> String {
    "HTTP/1.1 \(status) Status\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
}

/// A container agent that requires its path and token.
final class FakeContainerAgent: Sendable {
    let tokens: Locked<Set<String>>
    let answer: Locked<String?>
    let requests = Recorder<String>()
    private let server: FakeServer
    var url: String { "\(server.url)/v1/credentials" }

    /// Issues keys that contain the token of the request.
    init(tokens: Set<String> = ["pod-token"]) throws {
        let tokens = Locked(tokens)
        let answer = Locked<String?>(nil)
        let requests = requests
        server = try FakeServer.responding { request in
            requests.append(request.line)
            if let answer = answer.withLock({ $0 }) { return answer }
            guard request.line.hasPrefix("GET /v1/credentials ") else { return response(404) }
            guard let token = request.field("authorization"), tokens.withLock({ $0.contains(token) }) else {
                return response(401, #"{"code":"AccessDeniedException","message":"no SECRETTEXT"}"#)
            }
            return response(200, instanceCredentials("CONTAINER-\(token)"))
        }
        (self.tokens, self.answer) = (tokens, answer)
    }
}

/// An STS whose keys contain the action, the role, and the token or key of the request.
final class FakeTokenService: Sendable {
    let requests = Recorder<[String: String]>()
    private let server: FakeServer
    var url: String { server.url }

    init() throws {
        let requests = requests
        server = try FakeServer.responding { request in
            let form = Self.form(request.body)
            requests.append(form)
            guard request.line.hasPrefix("POST / "), let action = form["Action"], let role = form["RoleArn"],
                form["Version"] == "2011-06-15", form["RoleSessionName"] != nil
            else { return response(400) }
            let authorization = request.field("authorization")
            let who: String
            if let token = form["WebIdentityToken"], authorization == nil {
                who = token
            } else if let key = authorization?.split(separator: "=").dropFirst().first?.split(separator: "/")
                .first
            {
                who = String(key)
            } else {
                return response(403)
            }
            let id = "\(role.split(separator: "/").last ?? "")-of-\(who)"
            return response(
                200,
                """
                <\(action)Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
                  <\(action)Result>
                    <Credentials>
                      <SessionToken>token/\(id)==</SessionToken>
                      <SecretAccessKey>secret/\(id)</SecretAccessKey>
                      <Expiration>\(Date().addingTimeInterval(3600).formatted(.iso8601))</Expiration>
                      <AccessKeyId>\(id)</AccessKeyId>
                    </Credentials>
                    <AssumedRoleUser><Arn>x</Arn><AssumedRoleId>y:z</AssumedRoleId></AssumedRoleUser>
                  </\(action)Result>
                  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
                </\(action)Response>
                """)
        }
    }

    private static func form(_ body: [UInt8]) -> [String: String] {
        var form: [String: String] = [:]
        for pair in String(decoding: body, as: UTF8.self).split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1).map {
                String($0).removingPercentEncoding ?? ""
            }
            form[parts[0]] = parts.count == 2 ? parts[1] : ""
        }
        return form
    }
}

/// Waits until `condition` holds, but not forever.
func eventually(_ condition: () async throws -> Bool) async {
    for _ in 0..<2000 {
        if (try? await condition()) == true { return }
        try? await Task.sleep(for: .milliseconds(5))
    }
    Issue.record("it does not come to pass")
}

/// Returns the error that `body` throws, or nil.
func awsError<Value>(_ body: () async throws(AWSCredentialsError) -> Value) async -> AWSCredentialsError? {
    do throws(AWSCredentialsError) {
        _ = try await body()
        return nil
    } catch {
        return error
    }
}
