import Foundation
import Resources
import Testing

extension TenantAttempts {
    /// What all attempts with metadata leave stops no controller that starts or takes over, and no command.
    @Suite struct TenantRestartTests {
        @Test func theVictimIsServedAfterARestartAndByAStandbyAndSeenByCommands() async throws {
            try await TenantStage.attempt { stage in
                for attempt in TenantAttempt.all { try await attempt.make(stage.tenant) }
                try await expectCommandsShowTheVictim(stage)
                try await expectServedAfterARestart(stage)
                try await expectServedByAStandby(stage)
            }
        }

        private func expectServedAfterARestart(_ stage: TenantStage) async throws {
            try await stage.controller.stop()
            let manifest = try await stage.victims.namespace.wrap("db-0", ["k": "meanwhile"])
            try await stage.victims.namespace.apply(manifest)
            try await stage.controller.start()
            try await stage.victims.namespace.secret("db-0", until: "has the change made meanwhile") {
                $0.values == ["k": "meanwhile"]
            }
            try await stage.victims.expectServed("after the restart")
        }

        private func expectServedByAStandby(_ stage: TenantStage) async throws {
            try await stage.controller.stop()
            let election = [
                "--leader-elect", "--leader-elect-namespace", "secrets-bridge",
                "--leader-elect-lease-duration",
                "3s", "--leader-elect-renew-deadline", "2s", "--leader-elect-retry-period", "500ms",
            ]
            let leader = ControllerProcess(stage.cluster, stage.environment, election)
            let standby = ControllerProcess(stage.cluster, stage.environment, election)
            do {
                try await leader.start()
                try await stage.victims.change("db-0", within: .seconds(15))
                try await standby.start()
                for attempt in TenantAttempts.TenantManagedFieldsTests.attempts {
                    try await attempt.make(stage.tenant)
                }
                try await stage.victims.expectServed("with a leader")
                await leader.kill()
                try await stage.victims.change("db-1", within: .seconds(15))
                #expect(try await standby.status().total("secretsbridge_leader", with: "lease") == 1)
                try await stage.victims.expectServed("with the standby")
            } catch {
                await leader.kill()
                await standby.kill()
                throw error
            }
            try await standby.stop()
            try await stage.controller.start()
        }

        private func expectCommandsShowTheVictim(_ stage: TenantStage) async throws {
            let victim = stage.victims.namespace.name
            let table = try await run(stage, "status", "-A", statuses: [0, 1])
            let json = try await run(stage, "status", "-A", "-o", "json", statuses: [0, 1])
            for number in 0..<24 {
                let line = table.split(separator: "\n").first { line in
                    line.split(separator: " ").prefix(2).elementsEqual([Substring(victim), "db-\(number)"])
                }
                #expect(line != nil, "db-\(number)")
                #expect(json.contains(#""db-\#(number)""#))
            }
            _ = try JSONSerialization.jsonObject(with: Data(json.utf8))
            #expect(try await !run(stage, "status", "-A", "--by-key", statuses: [0, 1]).isEmpty)
            _ = try await run(stage, "status", "-n", victim, statuses: [0])
            // The victim's objects need no rewrap, and none of them failed.
            #expect(try await !run(stage, "rewrap", "-A", "--check", statuses: [0, 1]).contains(victim))
            _ = try await run(stage, "rewrap", "-n", victim, "--check", statuses: [0])
            _ = try await run(stage, "doctor", statuses: [0, 1])
        }

        /// Returns output and errors, in which there are no control characters of terminals.
        private func run(
            _ stage: TenantStage, _ arguments: String..., statuses: [Int32]
        ) async throws -> String {
            let outcome = try await Program(
                try Settings.required().binary, arguments,
                environment: stage.environment.merging(["KUBECONFIG": stage.cluster.kubeconfig]) { $1 }
            ).outcome(within: .seconds(60))
            #expect(statuses.contains(outcome.status), "\(arguments): \(outcome.errors.suffix(2000))")
            let dangerous = (outcome.output + outcome.errors).unicodeScalars.filter { scalar in
                let isAllowed = scalar == "\n" || scalar == "\t"
                return [.control, .format].contains(scalar.properties.generalCategory) && !isAllowed
            }
            #expect(dangerous.isEmpty, "\(arguments)")
            return arguments.contains("json") ? outcome.output : outcome.output + outcome.errors
        }
    }
}
