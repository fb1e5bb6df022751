using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace Jobs.Tests.Architecture;

/// <summary>The public surface of an assembly as text: one line a type, one line a member, in a stable order.</summary>
internal static class PublicApi
{
    private static readonly NullabilityInfoContext Nullability = new();

    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(bool)] = "bool", [typeof(byte)] = "byte", [typeof(double)] = "double", [typeof(int)] = "int", [typeof(long)] = "long",
        [typeof(object)] = "object", [typeof(string)] = "string", [typeof(void)] = "void",
    };

    public static string Of(Assembly assembly)
    {
        var text = new StringBuilder($"# {assembly.GetName().Name}\n");
        foreach (var type in assembly.GetExportedTypes().OrderBy(t => t.FullName, StringComparer.Ordinal))
        {
            text.Append('\n').Append(Header(type)).Append('\n');
            foreach (var (_, _, member) in Members(type).OrderBy(m => m.Rank).ThenBy(m => m.Name, StringComparer.Ordinal).ThenBy(m => m.Line, StringComparer.Ordinal))
            {
                text.Append("    ").Append(member).Append('\n');
            }
        }

        return text.ToString();
    }

    private static string Header(Type type)
    {
        var record = type.GetMethod("<Clone>$") is not null || type.GetMethod("PrintMembers", BindingFlags.NonPublic | BindingFlags.Instance) is not null;
        var kind = type.IsEnum ? "enum" : type.IsInterface ? "interface"
            : type.IsValueType ? (record ? "record struct" : "struct")
            : type.IsAbstract && type.IsSealed ? "static class" : $"{(type.IsAbstract ? "abstract " : type.IsSealed ? "sealed " : "")}{(record ? "record" : "class")}";
        var inherited = type.BaseType?.GetInterfaces() ?? [];
        var parents = new[] { type.BaseType }.Where(b => b is not null && b != typeof(object) && b != typeof(ValueType) && b != typeof(Enum)).Select(b => Name(b!))
            .Concat(type.IsEnum ? [] : type.GetInterfaces().Except(inherited).Select(Name).Where(n => !n.StartsWith("IEquatable<", StringComparison.Ordinal)).Order(StringComparer.Ordinal)).ToList();
        return $"{type.Namespace}: {kind} {(type.DeclaringType is { } outer ? Name(outer) + "." : "")}{Name(type, declaration: true)}{(parents.Count > 0 ? " : " + string.Join(", ", parents) : "")}";
    }

    private static IEnumerable<(int Rank, string Name, string Line)> Members(Type type)
    {
        const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        if (type.IsEnum)
        {
            foreach (var field in type.GetFields(BindingFlags.Public | BindingFlags.Static))
            {
                var value = Convert.ToInt32(field.GetRawConstantValue(), CultureInfo.InvariantCulture);
                yield return (value, field.Name, $"{field.Name} = {value}");
            }

            yield break;
        }

        foreach (var field in type.GetFields(Declared).Where(f => f.IsPublic || f.IsFamily))
        {
            var word = field.IsLiteral ? "const " : field.IsStatic ? "static readonly " : "";
            yield return (0, field.Name, $"{word}{Name(Nullability.Create(field))} {field.Name}{(field.IsLiteral ? $" = {field.GetRawConstantValue()}" : "")}");
        }

        foreach (var constructor in type.GetConstructors(Declared).Where(Visible))
        {
            yield return (1, "new", $"new({Parameters(constructor)})");
        }

        foreach (var property in type.GetProperties(Declared).Where(p => p.GetMethod is { } get && Visible(get) && p.Name != "EqualityContract"))
        {
            var setter = property.SetMethod is not { } set || !Visible(set) ? ""
                : set.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) ? " init;" : " set;";
            var required = property.GetCustomAttribute<RequiredMemberAttribute>() is null ? "" : "required ";
            yield return (2, property.Name, $"{Modifiers(property.GetMethod!)}{required}{Name(Nullability.Create(property))} {property.Name} {{ get;{setter} }}");
        }

        foreach (var method in type.GetMethods(Declared).Where(m => Visible(m) && m.GetCustomAttribute<CompilerGeneratedAttribute>() is null))
        {
            if (method.IsSpecialName && !method.Name.StartsWith("op_", StringComparison.Ordinal))
            {
                continue; // accessors
            }

            var generic = method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(a => a.Name))}>" : "";
            var where = string.Concat(method.IsGenericMethod ? method.GetGenericArguments().Select(Constraint) : []);
            var priority = method.GetCustomAttribute<OverloadResolutionPriorityAttribute>() is { } p ? $"[OverloadResolutionPriority({p.Priority})] " : "";
            yield return (3, method.Name, $"{priority}{Modifiers(method)}{Name(Nullability.Create(method.ReturnParameter))} {method.Name}{generic}({Parameters(method)}){where}");
        }
    }

    private static bool Visible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static string Modifiers(MethodInfo method) =>
        method.DeclaringType!.IsInterface ? "" : method.IsStatic ? "static " : method.IsAbstract ? "abstract " : method.GetBaseDefinition() != method ? "override " : method.IsVirtual && !method.IsFinal ? "virtual " : "";

    private static string Constraint(Type argument)
    {
        var parts = argument.GetGenericParameterConstraints().Select(Name).ToList();
        if (argument.GenericParameterAttributes.HasFlag(GenericParameterAttributes.ReferenceTypeConstraint))
        {
            parts.Insert(0, "class");
        }

        return parts.Count > 0 ? $" where {argument.Name} : {string.Join(", ", parts)}" : "";
    }

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select((p, i) =>
    {
        var extension = i == 0 && method.GetCustomAttribute<ExtensionAttribute>() is not null ? "this " : "";
        return $"{extension}{(p.IsOut ? "out " : "")}{Name(Nullability.Create(p))} {p.Name}{(p.HasDefaultValue ? $" = {Default(p)}" : "")}";
    }));

    private static string Default(ParameterInfo parameter) => parameter.DefaultValue switch
    {
        null => parameter.ParameterType.IsValueType && Nullable.GetUnderlyingType(parameter.ParameterType) is null ? "default" : "null",
        string text => $"\"{text}\"",
        bool flag => flag ? "true" : "false",
        var value => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private static string Name(NullabilityInfo info)
    {
        var type = info.Type.IsByRef ? info.Type.GetElementType()! : info.Type;
        if (Nullable.GetUnderlyingType(type) is not null)
        {
            return Name(type);
        }

        var name = type.IsArray && info.ElementType is { } element ? $"{Name(element)}[]"
            : type.IsGenericType && info.GenericTypeArguments.Length > 0 ? $"{Bare(type)}<{string.Join(", ", info.GenericTypeArguments.Select(Name))}>"
            : Name(type);
        return !type.IsValueType && !type.IsGenericParameter && info.ReadState == NullabilityState.Nullable ? name + "?" : name;
    }

    private static string Name(Type type) => Name(type, declaration: false);

    private static string Name(Type type, bool declaration)
    {
        if (Keywords.TryGetValue(type, out var keyword))
        {
            return keyword;
        }

        if (Nullable.GetUnderlyingType(type) is { } inner)
        {
            return Name(inner) + "?";
        }

        return type.IsArray ? $"{Name(type.GetElementType()!)}[]"
            : type.IsGenericType ? $"{Bare(type)}<{string.Join(", ", type.GetGenericArguments().Select(a => declaration ? Variance(a) + a.Name : Name(a)))}>"
            : type.Name;
    }

    private static string Bare(Type type) => type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)];

    private static string Variance(Type argument) =>
        argument.GenericParameterAttributes.HasFlag(GenericParameterAttributes.Contravariant) ? "in "
        : argument.GenericParameterAttributes.HasFlag(GenericParameterAttributes.Covariant) ? "out " : "";
}
