import Glibc
import SystemPackage

/// The descriptors of one pipeline: what each child gets, and the ends that stay with us. All are close-on-exec.
struct Plumbing {
    /// Standard input, output and error of each stage, in order; closed on our side as soon as the stage has started.
    var children: [(input: FileDescriptor, output: FileDescriptor, error: FileDescriptor)] = []
    /// Where we read each stage's standard error; non-blocking.
    var errors: [FileDescriptor] = []
    /// Where the first stage's input is written, if it comes from memory; non-blocking.
    var source: FileDescriptor?
    /// Where the last stage's output is read, if anybody wants it; non-blocking.
    var output: FileDescriptor?

    /// Lays the pipes. If one cannot be had, those laid before are closed again and the reason is thrown.
    init(stages: Int, input: PipelineInput, wantsOutput: Bool) throws(PipelineError) {
        var opened: [FileDescriptor] = []
        do throws(PipelineError) {
            try lay(stages: stages, input: input, wantsOutput: wantsOutput, opened: &opened)
        } catch {
            for descriptor in opened { try? descriptor.close() }
            throw error
        }
    }

    private mutating func lay(
        stages: Int, input: PipelineInput, wantsOutput: Bool, opened: inout [FileDescriptor]
    ) throws(PipelineError) {
        var next: FileDescriptor
        do throws(Errno) {
            switch input {
            case .none: next = try Self.open("/dev/null", O_RDONLY, &opened)
            case .file(let path): next = try Self.open(path, O_RDONLY, &opened)
            case .bytes:
                let pipe = try Self.pipe(&opened, capacity: nil)
                try pipe.writeEnd.setNonBlocking()
                next = pipe.readEnd
                source = pipe.writeEnd
            }
        } catch {
            throw .sourceFailed(error)
        }
        do throws(Errno) {
            for stage in 0..<stages {
                let isLast = stage == stages - 1
                let stageInput = next
                let stageOutput: FileDescriptor
                if isLast && !wantsOutput {
                    stageOutput = try Self.open("/dev/null", O_WRONLY, &opened)
                } else {
                    let pipe = try Self.pipe(&opened, capacity: OutputPump.bufferSize)
                    stageOutput = pipe.writeEnd
                    next = pipe.readEnd
                }
                let error = try Self.pipe(&opened, capacity: nil)
                try error.readEnd.setNonBlocking()
                children.append((stageInput, stageOutput, error.writeEnd))
                errors.append(error.readEnd)
            }
            if wantsOutput {
                try next.setNonBlocking()
                output = next
            }
        } catch {
            throw .cannotStart(program: "pipeline", reason: "\(error)")
        }
    }

    /// Closes what is given to the stage of that index.
    mutating func closeChildEnds(of stage: Int) {
        let (input, output, error) = children[stage]
        for descriptor in [input, output, error] { try? descriptor.close() }
    }

    private static func open(_ path: String, _ flags: Int32, _ opened: inout [FileDescriptor]) throws(Errno)
        -> FileDescriptor
    {
        let raw = Glibc.open(path, flags | O_CLOEXEC)
        guard raw >= 0 else { throw Errno(rawValue: errno) }
        opened.append(FileDescriptor(rawValue: raw))
        return FileDescriptor(rawValue: raw)
    }

    private static func pipe(
        _ opened: inout [FileDescriptor], capacity: Int?
    ) throws(Errno) -> (readEnd: FileDescriptor, writeEnd: FileDescriptor) {
        let pipe = try FileDescriptor.pipe(options: .closeOnExec)
        opened += [pipe.readEnd, pipe.writeEnd]
        if let capacity { pipe.writeEnd.wishForCapacity(capacity) }
        return pipe
    }
}
