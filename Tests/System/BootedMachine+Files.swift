import Command

extension BootedMachine {
    /// Writes a file in the machine.
    ///
    /// - Parameters:
    ///   - mode: the permissions, in octal.
    ///   - owner: the owner, as `user:group`.
    func push(_ text: String, to path: String, mode: String = "644", owner: String = "root:root") async throws {
        try await push(.bytes(Array(text.utf8)), to: path, mode: mode, owner: owner)
    }

    /// Copies a file of this host into the machine.
    func push(file: String, to path: String, mode: String = "644", owner: String = "root:root") async throws {
        try await push(.file(file), to: path, mode: mode, owner: owner)
    }

    /// Reads a file of the machine. Throws ``CommandFailure`` if there is none.
    func pull(_ path: String) async throws -> String {
        try await demand("cat", "--", path)
    }

    /// The files of a folder and below it as `find` prints them, sorted: type, mode, owner, size and relative path.
    func listing(_ folder: String) async throws -> [String] {
        try await demand("find", folder, "-mindepth", "1", "-printf", "%y %m %u:%g %s %P\\n")
            .split(separator: "\n").map(String.init).sorted()
    }

    private func push(_ input: PipelineInput, to path: String, mode: String, owner: String) async throws {
        let script = """
            umask 077
            mkdir -p -m 755 "$(dirname "$1")"
            cat >"$1.pushed"
            chown "$3" "$1.pushed"
            chmod "$2" "$1.pushed"
            mv -T "$1.pushed" "$1"
            """
        try await demand(["sh", "-euc", script, "push", path, mode, owner], input: input)
    }
}
