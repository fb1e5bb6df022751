using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;

namespace Jobs.Tests.Architecture;

/// <summary>One room as it is built: the rooms and packages it knows, the foreign types it names, the texts in its code.</summary>
/// <param name="Name">Its folder under <c>src/</c>.</param>
/// <param name="Rooms">Other rooms that its project file or its assembly refers to.</param>
/// <param name="Packages">Assemblies and packages that are neither a room nor part of the framework.</param>
/// <param name="Types">Full names of the types of those packages that its code names.</param>
/// <param name="Texts">String literals.</param>
internal sealed record Room(string Name, IReadOnlySet<string> Rooms, IReadOnlySet<string> Packages, IReadOnlyList<string> Types, IReadOnlyList<string> Texts)
{
    public static Room Read(string name)
    {
        var assemblies = Repository.Rooms.ToDictionary(r => Repository.Assembly(r).GetName().Name!, r => r);
        using var file = new PEReader(File.OpenRead(Repository.Assembly(name).Location));
        var reader = file.GetMetadataReader();
        var referenced = reader.AssemblyReferences.Select(h => reader.GetString(reader.GetAssemblyReference(h).Name)).Where(a => !IsFramework(a)).ToList();

        var project = XDocument.Load(Repository.ProjectFile(name));
        var projects = project.Descendants("ProjectReference").Select(p => Path.GetFileName(Path.GetDirectoryName(p.Attribute("Include")!.Value.Replace('\\', '/')))!);
        var packages = project.Descendants("PackageReference").Select(p => p.Attribute("Include")!.Value);
        return new Room(name,
            projects.Concat(referenced.Where(assemblies.ContainsKey).Select(a => assemblies[a])).ToHashSet(),
            packages.Concat(referenced.Where(a => !assemblies.ContainsKey(a))).ToHashSet(),
            [.. ForeignTypes(reader, [.. referenced.Where(a => !assemblies.ContainsKey(a))])],
            [.. Literals(reader)]);
    }

    private static bool IsFramework(string assembly) =>
        assembly is "System" or "netstandard" or "mscorlib" or "Microsoft.CSharp" || assembly.StartsWith("System.", StringComparison.Ordinal);

    private static IEnumerable<string> ForeignTypes(MetadataReader reader, HashSet<string> packages) =>
        from handle in reader.TypeReferences
        let type = reader.GetTypeReference(handle)
        where type.ResolutionScope.Kind == HandleKind.AssemblyReference
        let assembly = reader.GetString(reader.GetAssemblyReference((AssemblyReferenceHandle)type.ResolutionScope).Name)
        where packages.Contains(assembly)
        select $"{reader.GetString(type.Namespace)}.{reader.GetString(type.Name)}";

    private static IEnumerable<string> Literals(MetadataReader reader)
    {
        if (reader.GetHeapSize(HeapIndex.UserString) == 0)
        {
            yield break;
        }

        for (var handle = MetadataTokens.UserStringHandle(1); !handle.IsNil; handle = reader.GetNextHandle(handle))
        {
            yield return reader.GetUserString(handle);
        }
    }
}
