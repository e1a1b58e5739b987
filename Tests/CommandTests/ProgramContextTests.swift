import Command
import Foundation
import Testing

@Suite("What a child is given")
struct ProgramContextTests {
    private func text(of program: Program) async throws -> String {
        let result = try await Pipeline([program]).run(output: .collect(limit: 10_000))
        try #require(result.firstFailure == nil, "\(result.stages)")
        return String(decoding: result.output, as: UTF8.self)
    }

    /// Which signals a child finds blocked and ignored.
    private func signalMasks(of user: ProcessUser?) async throws -> [UInt64?] {
        let arguments = ["-E", "^Sig(Blk|Ign)", "/proc/self/status"]
        let masks = try await text(of: Program(executable: "/usr/bin/grep", arguments: arguments, user: user))
        // 32 and 33 are glibc's own; posix_spawn(3) leaves them ignored, for whatever is started next sets them anew.
        return masks.split(separator: "\n").map { line in
            line.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) }.map { $0 & ~0x1_8000_0000 }
        }
    }

    @Test("the environment is exactly the one given")
    func environment() async throws {
        #expect(setenv("COMMAND_TESTS_SECRET", "1", 1) == 0)
        let given = ["A": "1", "EMPTY": "", "UMLAUT": "ä=ö", "LINES": "a\nb"]
        let program = Program(executable: "/usr/bin/env", arguments: ["-0"], environment: given)
        #expect(
            try await Set(text(of: program).split(separator: "\0")) == Set(given.map { "\($0)=\($1)" }.map { $0[...] }))
        #expect(try await text(of: Program(executable: "/usr/bin/env")) == "")
    }

    @Test("arguments arrive as they are, the name first")
    func arguments() async throws {
        let arguments = ["", "two words", "$HOME", "ä", "a\nb"]
        let program = Program(executable: "/usr/bin/printf", arguments: ["[%s]"] + arguments)
        #expect(try await text(of: program) == "[][two words][$HOME][ä][a\nb]")
        #expect(try await text(of: Program(executable: "/bin/sh", arguments: ["-c", "echo $0"])) == "/bin/sh\n")
    }

    @Test("a stage leads a session and a group of its own, with default signals and no descriptor but the three")
    func surroundings() async throws {
        let numbers = try await text(of: shell("cut -d' ' -f5,6 /proc/$$/stat; echo $$")).split {
            $0 == " " || $0 == "\n"
        }
        #expect(numbers.count == 3 && Set(numbers).count == 1, "\(numbers)")
        #expect(try await signalMasks(of: nil) == [0, 0])
        // The fourth one is the listing's own.
        #expect(try await text(of: tool("ls", "/proc/self/fd")) == "0\n1\n2\n3\n")
    }

    @Test(
        "as root, a program runs as the user asked for, with that user's groups and the rest untouched",
        .enabled(if: ProcessUser.isRoot))
    func otherUser() async throws {
        let user = try #require(ProcessUser.named("nobody"))
        var program = Program(executable: "/usr/bin/id", arguments: [], user: user)
        #expect(try await text(of: program).hasPrefix("uid=\(user.userID)(nobody) gid=\(user.groupID)"))
        program.arguments = ["-G"]
        #expect(try await text(of: program) == "\(user.groupID)\n")
        #expect(try await signalMasks(of: user) == [0, 0])
    }

    @Test("as root, a program of another user is ended by deadline like ours", .enabled(if: ProcessUser.isRoot))
    func otherUserDeadline() async throws {
        let program = Program(executable: "/bin/sleep", arguments: ["1000"], user: ProcessUser.named("nobody"))
        let error = await failure { try await Pipeline([program], deadline: .milliseconds(50)).run() }
        #expect(error?.exceededDeadline != nil)
    }

    @Test("as an ordinary user, another user is refused", .enabled(if: !ProcessUser.isRoot))
    func otherUserRefused() async throws {
        let program = Program(executable: "/bin/true", user: ProcessUser.named("root"))
        #expect(await failure { try await Pipeline([program]).run() }?.startFailure != nil)
    }

    @Test("naming the user we are needs no privilege")
    func sameUser() async throws {
        let program = Program(executable: "/usr/bin/id", arguments: ["-u"], user: .current())
        #expect(try await text(of: program) == "\(geteuid())\n")
    }
}

@Suite("ProcessUser")
struct ProcessUserTests {
    @Test("users are looked up by name")
    func named() {
        #expect(ProcessUser.named("root") == ProcessUser(name: "root", userID: 0, groupID: 0, home: "/root"))
        #expect(ProcessUser.named("no such user") == nil)
    }

    @Test("the current user is the one we are, and the unprivileged one is not root")
    func current() throws {
        #expect(ProcessUser.current().userID == geteuid())
        #expect(ProcessUser.isRoot == (geteuid() == 0))
        #expect(try #require(ProcessUser.unprivileged()).userID != 0)
    }

    @Test("stepping down to ourselves does nothing; an ordinary user cannot become another")
    func stepDown() throws {
        try ProcessUser.stepDown(to: .current())
        if !ProcessUser.isRoot {
            #expect(throws: StepDownError.self) { try ProcessUser.stepDown(to: try #require(.named("root"))) }
        }
    }
}

@Suite("ExecutableSearch")
struct ExecutableSearchTests {
    @Test("the first executable file of the list is found; folders and plain files are passed over")
    func find() throws {
        let folder = try TemporaryFolder()
        for name in ["a", "b", "c", "c/tool"] {
            try FileManager.default.createDirectory(atPath: folder.file(name), withIntermediateDirectories: true)
        }
        for (path, mode) in [("a/tool", 0o644), ("b/tool", 0o755), ("b/other", 0o755)] {
            #expect(
                FileManager.default.createFile(
                    atPath: folder.file(path), contents: nil, attributes: [.posixPermissions: mode]))
        }
        let search = ExecutableSearch(path: "\(folder.file("c")):\(folder.file("a")):\(folder.file("b"))/:")
        #expect(search.find("tool") == folder.file("b/tool"))
        #expect(search.find("missing") == nil)
        #expect(search.find(folder.file("b/other")) == folder.file("b/other"))
        #expect(search.find(folder.file("a/tool")) == nil)
    }

    @Test("empty and relative entries, empty names and names with a slash find nothing")
    func traps() {
        #expect(ExecutableSearch(path: "::.:bin:/usr/bin").directories == ["/usr/bin"])
        #expect(ExecutableSearch.standard.find("") == nil)
        #expect(ExecutableSearch.standard.find("../bin/sh") == nil)
        #expect(ExecutableSearch.standard.find("sh") != nil)
    }
}
