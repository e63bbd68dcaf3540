import Foundation
import Testing

/// Runs the program that is tested to its end, with these settings and no others, and looks at how it ended.
///
/// - Parameter canary: must not be in what it says of problems.
func secretsBridge(
    _ arguments: [String], _ environment: [String: String], input: Data = Data(), status: Int32 = 0,
    canary: String? = nil, location: SourceLocation
) async throws -> Program.Outcome {
    let outcome = try await Program(
        try Settings.required().binary, arguments, environment: environment, input: input
    ).outcome()
    #expect(
        outcome.status == status, "\(arguments): \(outcome.output)\(outcome.errors)", sourceLocation: location
    )
    if let canary { #expect(!outcome.errors.contains(canary), sourceLocation: location) }
    return outcome
}
