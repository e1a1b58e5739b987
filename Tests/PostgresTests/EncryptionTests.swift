import Command
import Foundation
import Postgres
import TestSupport
import Testing

/// Whether this machine can make a certificate for the test.
private let openssl = ExecutableSearch.standard.find("openssl")

@Suite(.enabled(if: openssl != nil)) struct EncryptionTests {
    @Test("Prisma's parameters for encryption do to a real server what they say")
    func parameters() async throws {
        var options = PrivateCluster.Options()
        options.listensOnLoopback = true
        options.settings = ["ssl": "on", "autovacuum": "off"]
        // Only encrypted sessions get in.
        options.accessRules = ["hostssl all all 127.0.0.1/32 trust", "host all all 127.0.0.1/32 reject"]
        let cluster = try await PrivateCluster.create(options)
        do {
            let certificate = try await makeCertificate("server", in: cluster.dataDirectory, for: cluster.serverUser)
            try await cluster.start()
            let folder = try TemporaryFolder("tls")
            let stranger = try await makeCertificate("stranger", in: folder.path, for: nil)
            let root = folder.path("root.pem")
            try FileManager.default.copyItem(atPath: certificate, toPath: root)
            let url = "postgresql://postgres@127.0.0.1:\(cluster.port)/postgres?"

            for accepted in [
                "sslcert=\(root)&sslaccept=strict", "sslmode=verify-full&sslcert=\(root)", "sslmode=require",
                "sslcert=\(stranger)&sslaccept=accept_invalid_certs", "ssl=true", "",
            ] {
                try await PostgresConnection.with(ConnectionTarget(url: url + accepted)) { connection in
                    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
                    let isEncrypted = try await connection.query(query).scalar
                    #expect(isEncrypted == "t", "\(accepted)")
                }
            }
            for refused in ["sslcert=\(stranger)&sslaccept=strict", "sslaccept=strict"] {
                let target = try ConnectionTarget(url: url + refused)
                let failure = try await error { try await PostgresConnection.connect(to: target) }
                #expect(failure.message.contains("certificate verify failed"), "\(refused)")
            }
            let plain = try ConnectionTarget(url: url + "sslmode=disable")
            let failure = try await error { try await PostgresConnection.connect(to: plain) }
            #expect(failure.sqlState == .invalidAuthorizationSpecification)
        } catch {
            await cluster.remove()
            throw error
        }
        await cluster.remove()
    }

    /// A certificate that nobody vouches for but itself, for 127.0.0.1.
    private func makeCertificate(
        _ name: String, in directory: String, for user: ProcessUser?
    ) async throws -> String {
        let certificate = "\(directory)/\(name).crt"
        let key = "\(directory)/\(name).key"
        let program = Program(
            executable: try #require(openssl),
            arguments: [
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=\(name)", "-addext",
                "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate,
            ], environment: ["PATH": "/usr/bin:/bin"])
        let result = try await Pipeline([program]).run(input: .none, output: .discard, onErrorLine: nil)
        #expect(result.firstFailure == nil, "\(result.firstFailure?.standardErrorTail ?? "")")
        for path in [certificate, key] {
            var attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
            if let user {
                attributes[.ownerAccountID] = Int(user.userID)
                attributes[.groupOwnerAccountID] = Int(user.groupID)
            }
            try FileManager.default.setAttributes(attributes, ofItemAtPath: path)
        }
        return certificate
    }
}
