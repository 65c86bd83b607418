-- Kubernetes names as fields of Wireshark and tshark, 4.0 and newer (Lua 5.2 and 5.4).
--
-- Reads what oc-netobserv writes into pcapng and Wireshark keeps: the comment of a packet, which names both ends,
--
--   k8s src=shop/web-7d9:Deployment/web dst=db/pg-0:StatefulSet/pg svc=db/pg drop=NETFILTER_DROP pid=41 comm=nginx
--
-- and the description of the interface where it was seen,
--
--   k8s.node=n1;k8s.ns=shop;k8s.pod=web-7d9;k8s.workload=Deployment/web;k8s.labels=app=web,tier=front
--
-- Fields are registered here once and for all, because a filter that names an unknown field is an error. What is
-- read once is kept: a packet without comment or description costs two look-ups and no string at all.

local k8s = Proto("k8s", "Kubernetes")

-- Fields ---------------------------------------------------------------------------------------------------------

local fields = {}

local function text(name, label, help)
  fields[name] = ProtoField.string("k8s." .. name, label, base.UNICODE, help)
end

local function number(name, label, help)
  fields[name] = ProtoField.uint32("k8s." .. name, label, base.DEC, nil, 0, help)
end

text("node", "Node", "Node of the interface where the packet was seen")
text("ns", "Namespace", "Namespace of the pod whose interface saw the packet")
text("pod", "Pod", "Pod whose interface saw the packet")
text("uid", "Pod UID", "UID of the pod whose interface saw the packet")
text("workload", "Workload", "Name of the workload of the pod whose interface saw the packet")
text("workload_kind", "Workload kind", "Kind of the workload of the pod whose interface saw the packet")
text("labels", "Labels", "Labels of the pod whose interface saw the packet, app=web,tier=front")
text("label", "Label", "One label of the pod whose interface saw the packet, app=web")
text("svc", "Service", "Service that the two ends speak through, namespace/name")
text("svc.ns", "Service namespace", "Namespace of the Service")
text("svc.name", "Service name", "Name of the Service")
text("drop_reason", "Drop reason", "Why the kernel dropped the packet")
text("process", "Process", "Process at either end")
number("pid", "Process id", "Process at either end, in the host's numbers")
text("container", "Container", "Container of a process at either end")
text("other", "Also", "What the comment says besides, key=value")

for _, side in ipairs({ { "src", "Source" }, { "dst", "Destination" }, { "any", "Either end" } }) do
  local prefix, label = side[1], side[2]
  local of = label:lower()
  text(prefix .. ".name", label, "Whole name of the " .. of .. ", namespace/pod where it is a pod")
  text(prefix .. ".kind", label .. " kind", "Kind of the " .. of .. ": Pod, Service, Node, ...")
  text(prefix .. ".ns", label .. " namespace", "Namespace of the " .. of)
  text(prefix .. ".pod", label .. " pod", "Pod at the " .. of)
  text(prefix .. ".workload", label .. " workload", "Name of the workload at the " .. of)
  text(prefix .. ".workload_kind", label .. " workload kind", "Kind of the workload at the " .. of)
  text(prefix .. ".node", label .. " node", "Node of the " .. of)
  text(prefix .. ".svc", label .. " Service", "Service that the " .. of .. " is or stands for, namespace/name")
  text(prefix .. ".process", label .. " process", "Process at the " .. of)
  number(prefix .. ".pid", label .. " process id", "Process at the " .. of .. ", in the host's numbers")
  text(prefix .. ".container", label .. " container", "Container at the " .. of)
end

local list = {}
for _, field in pairs(fields) do
  list[#list + 1] = field
end
k8s.fields = list

local dropped = ProtoExpert.new("k8s.dropped", "The kernel dropped this packet", expert.group.PROTOCOL,
  expert.severity.WARN)
k8s.experts = { dropped }

local comment_of = Field.new("frame.comment")
local description_of = Field.new("frame.interface_description")

-- Reading --------------------------------------------------------------------------------------------------------

-- What a text says, in the order of the tree: field, value, whether it is hidden.
local function say(said, name, value, hidden)
  if value ~= nil and value ~= "" then
    said[#said + 1] = { fields[name], value, hidden }
  end
end

-- The same of one end, and of either.
local function say_end(said, side, name, value)
  say(said, side .. "." .. name, value)
  say(said, "any." .. name, value, true)
end

-- Values are one word: a space is %20, what separates within a name is written so too.
local function plain(value)
  if not value:find("%", 1, true) then
    return value
  end
  return (value:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- `Deployment/web` as kind and name.
local function kind_and_name(value)
  local kind, name = value:match("^([^/]*)/(.*)$")
  return plain(kind or ""), plain(name or value)
end

-- `shop/web-7d9`, with `:Deployment/web` after it unless the pod is its own workload; `Node/n1`; `Service/db/pg`.
local function say_name(said, side, value)
  local itself, owner = value:match("^([^:]*):?(.*)$")
  local parts = {}
  for part in itself:gmatch("[^/]+") do
    parts[#parts + 1] = plain(part)
  end
  local kind, ns, name
  if #parts == 3 then
    kind, ns, name = parts[1], parts[2], parts[3]
  elseif #parts == 2 and itself:find("^%u") then
    kind, name = parts[1], parts[2]
  elseif #parts == 2 then
    kind, ns, name = "Pod", parts[1], parts[2]
  else
    name = parts[1]
  end
  if not name then
    return
  end
  local whole = ns and (ns .. "/" .. name) or name
  said[side] = whole
  say_end(said, side, "name", whole)
  say_end(said, side, "kind", kind)
  say_end(said, side, "ns", ns)
  if kind == "Pod" then
    say_end(said, side, "pod", name)
  elseif kind == "Node" then
    say_end(said, side, "node", name)
  end
  local owner_kind, owner_name = kind, name
  if owner ~= "" then
    owner_kind, owner_name = kind_and_name(owner)
  end
  if kind == "Pod" or owner ~= "" then
    say_end(said, side, "workload", owner_name)
    say_end(said, side, "workload_kind", owner_kind)
  end
end

-- The service that the end before it stands for, or is: `db/pg`.
local function say_service(said, value)
  local ns, name = value:match("^([^/]*)/(.*)$")
  ns, name = plain(ns or ""), plain(name or value)
  local whole = ns ~= "" and (ns .. "/" .. name) or name
  say(said, "svc", whole)
  say(said, (said.dst and "dst" or "src") .. ".svc", whole, true)
  say(said, "svc.ns", ns, true)
  say(said, "svc.name", name, true)
end

-- What is known of the process at one end.
local function of_process(side, name, read)
  return function(said, value)
    value = read(value)
    say_end(said, side, name, value)
    say(said, name, value, true)
  end
end

local function of_node(side)
  return function(said, value)
    say_end(said, side, "node", plain(value))
  end
end

-- A process id; anything else is nothing.
local function id(value)
  return #value < 10 and value:find("^%d+$") and tonumber(value) or nil
end

-- The keys of a comment: the table in collector/src/annotation.rs, and a test that holds the two together.
local keys = {
  src = function(said, value) say_name(said, "src", value) end,
  dst = function(said, value) say_name(said, "dst", value) end,
  svc = say_service,
  srcnode = of_node("src"),
  dstnode = of_node("dst"),
  drop = function(said, value)
    said.drop = plain(value)
    say(said, "drop_reason", said.drop)
  end,
  pid = of_process("src", "pid", id),
  comm = of_process("src", "process", plain),
  container = of_process("src", "container", plain),
  dstpid = of_process("dst", "pid", id),
  dstcomm = of_process("dst", "process", plain),
  dstcontainer = of_process("dst", "container", plain),
}

local function read_comment(line)
  local said = {}
  for key, value in line:gmatch(" ([%w_.]+)=(%S+)") do
    local take = keys[key]
    if take then
      take(said, value)
    else
      say(said, "other", key .. "=" .. plain(value))
    end
  end
  return said
end

local simple = { node = "node", ns = "ns", pod = "pod", uid = "uid" }

local function read_description(line)
  local said = {}
  for key, value in line:gmatch("k8s%.([%w_]+)=([^;]*)") do
    value = plain(value)
    if simple[key] then
      say(said, simple[key], value)
      said[key] = value
    elseif key == "workload" then
      local kind, name = value:match("^([^/]*)/(.*)$")
      say(said, "workload", name or value)
      say(said, "workload_kind", kind)
    elseif key == "labels" then
      say(said, "labels", value)
      for label in value:gmatch("[^,]+") do
        say(said, "label", label, true)
      end
    end
  end
  return said
end

-- Keeping --------------------------------------------------------------------------------------------------------

-- A reader of texts that remembers them. There are as many as there are pairs of ends and interfaces, which is few;
-- a file of nothing but different ones begins anew rather than fill the memory.
local MOST = 20000

local function remembering(read)
  local known, count = {}, 0
  local function clear()
    known, count = {}, 0
  end
  return function(line)
    local said = known[line]
    if not said then
      if count >= MOST then
        clear()
      end
      said = read(line)
      known[line], count = said, count + 1
    end
    return said
  end, clear
end

local comment, forget_comments = remembering(read_comment)
local description, forget_descriptions = remembering(read_description)

function k8s.init()
  forget_comments()
  forget_descriptions()
end

-- Showing --------------------------------------------------------------------------------------------------------

local function show(tree, said)
  for n = 1, #said do
    local one = said[n]
    local item = tree:add(one[1], one[2]):set_generated()
    if one[3] then
      item:set_hidden()
    end
  end
end

-- Comments of others and of people stand beside ours; newer releases give each line as a value of its own.
local function ours(...)
  for n = 1, select("#", ...) do
    local line = tostring((select(n, ...)))
    if line:sub(1, 4) == "k8s " then
      return comment((line:match("^[^\r\n]*")))
    end
  end
  return nil
end

function k8s.dissector(_, _, tree)
  local first = comment_of()
  local ends = first and ours(comment_of())
  local at = description_of()
  local seen = at and description(tostring(at))
  if not ends and (not seen or #seen == 0) then
    return
  end
  local title = "Kubernetes"
  if ends and (ends.src or ends.dst) then
    title = title .. ": " .. (ends.src or "?") .. " \226\134\146 " .. (ends.dst or "?")
  end
  if seen and seen.node then
    title = title .. ", seen at " .. (seen.pod and ((seen.ns or "") .. "/" .. seen.pod .. " on ") or "") .. seen.node
  end
  local branch = tree:add(k8s, title)
  branch:set_generated()
  if ends then
    show(branch, ends)
    if ends.drop then
      branch:add_proto_expert_info(dropped, "The kernel dropped this packet: " .. ends.drop)
    end
  end
  if seen then
    show(branch, seen)
  end
end

register_postdissector(k8s)
