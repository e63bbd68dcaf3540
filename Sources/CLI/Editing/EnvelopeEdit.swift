import Envelope
import Resources
import YAML

/// Replaces the envelope in the text of a WrappedSecret: recipients, MAC and data. Comments and layout stay.
enum EnvelopeEdit {
    static func apply(
        _ new: EnvelopeFields, _ change: RecipientChange, to document: WrappedSecretDocument,
        with editor: inout SourceEditor
    ) throws(SourceEditError) {
        try RecipientEdit.apply(change, to: document, with: &editor)
        guard let spec = document.node["spec"] else { return }
        if let mac = spec["mac"] { try editor.replace(mac, with: new.mac) }
        try changeData(of: spec, new, with: &editor)
    }

    private static func changeData(
        of spec: YAMLNode, _ new: EnvelopeFields, with editor: inout SourceEditor
    ) throws(SourceEditError) {
        let fields = new.data.sorted { $0.key < $1.key }
        guard let data = spec.entries?.first(where: { $0.key == "data" }),
            let entries = data.value.entries, !entries.isEmpty
        else {
            // A WrappedSecret without entries may have no `data`.
            guard !fields.isEmpty else { return }
            try editor.set("data", of: spec, to: .mapping(fields.map { ($0.key, $0.value) }))
            return
        }
        guard !fields.isEmpty else { return try editor.removePairs(of: data) }
        for entry in entries {
            if let value = new.data[entry.key] { try editor.replace(entry.value, with: value) }
        }
        let old = Set(entries.map(\.key))
        let (added, removed) = (Set(new.data.keys).subtracting(old), old.subtracting(new.data.keys))
        guard !added.isEmpty || !removed.isEmpty else { return }
        try editor.change(
            pairsOf: data.value, removing: removed,
            appending: added.sorted().map { ($0, .string(new.data[$0] ?? "")) })
    }
}
